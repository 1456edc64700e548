//! `propusk-demo`.

#![cfg_attr(not(debug_assertions), windows_subsystem = "windows")]

fn main() {
    propusk_demo_lib::run();
}
