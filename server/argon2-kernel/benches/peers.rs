//! How quick the kernels are beside `argon2` of RustCrypto, and beside libsodium and libargon2 if
//! this machine has them: all in turns, in one thread, at the server's default cost. An argument is
//! the file of another libargon2, for example of one built for this processor.
//!
//! cargo bench -p propusk-argon2-kernel [FILE…]

#![expect(unsafe_code, reason = "functions of C libraries")]

use std::ffi::{c_char, c_int, c_ulonglong, c_void};
use std::hint::black_box;
use std::io::{self, Write as _};

use argon2::{Algorithm, Argon2, Version};
use libloading::Library;
use propusk_argon2_kernel::{Kernel, Memory, Params};
use rustix::time::{ClockId, clock_gettime};

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const PASSWORD: &[u8] = b"correct horse battery staple";
const SALT: &[u8; 16] = b"sixteen bytes...";
const ROUNDS: usize = 31;

/// How it is called, and a function that computes a tag.
struct Peer {
    name: String,
    hash: Box<dyn FnMut() -> [u8; 32]>,
}

fn main() -> io::Result<()> {
    let mut peers = vec![rust_crypto()];
    peers.extend(Kernel::supported().map(kernel));
    peers.extend(libsodium());
    peers.extend(libargon2("libargon2.so.1"));
    let files = std::env::args().skip(1).filter(|argument| !argument.starts_with("--"));
    peers.extend(files.filter_map(|file| libargon2(&file)));

    let expected = (peers[0].hash)();
    let mut millis = vec![Vec::new(); peers.len()];
    for _ in 0..ROUNDS {
        for (peer, millis) in peers.iter_mut().zip(&mut millis) {
            let began = cpu_millis();
            let tag = (peer.hash)();
            millis.push(cpu_millis() - began);
            assert_eq!(tag, expected, "{}", peer.name);
        }
    }
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "argon2id m={MEMORY_KIB} t={PASSES} p=1: ms of CPU for a hash, {ROUNDS} rounds in turns"
    )?;
    writeln!(out, "{:<40} {:>7} {:>7} {:>7}", "", "median", "best", "ratio")?;
    let mut base = None;
    for (peer, mut millis) in peers.into_iter().zip(millis) {
        millis.sort_unstable_by(f64::total_cmp);
        let (median, best) = (millis[ROUNDS / 2], millis[0]);
        let ratio = *base.get_or_insert(median) / median;
        writeln!(out, "{:<40} {median:>7.2} {best:>7.2} {ratio:>7.2}", peer.name)?;
    }
    Ok(())
}

/// The processor's time of this thread: other programs on this machine disturb it least.
fn cpu_millis() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}

fn rust_crypto() -> Peer {
    let params = argon2::Params::new(MEMORY_KIB, PASSES, 1, None).expect("parameters");
    let mut memory = vec![argon2::Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash = move || {
        let mut tag = [0; 32];
        let password = black_box(PASSWORD);
        argon2
            .hash_password_into_with_memory(password, SALT, &mut tag, &mut memory)
            .expect("a hash");
        tag
    };
    Peer { name: "RustCrypto, memory reused".into(), hash: Box::new(hash) }
}

fn kernel(kernel: Kernel) -> Peer {
    let params = Params::new(MEMORY_KIB, PASSES).expect("parameters");
    let mut memory = Memory::new(params.block_count()).expect("memory");
    let hash = move || {
        let mut tag = [0; 32];
        kernel.hash(black_box(PASSWORD), SALT, params, &mut memory, &mut tag).expect("a hash");
        tag
    };
    Peer { name: format!("kernel, {}", kernel.name()), hash: Box::new(hash) }
}

type Sodium = unsafe extern "C" fn(
    out: *mut u8,
    out_len: c_ulonglong,
    password: *const c_char,
    password_len: c_ulonglong,
    salt: *const u8,
    passes: c_ulonglong,
    memory_bytes: usize,
    algorithm: c_int,
) -> c_int;

fn libsodium() -> Option<Peer> {
    // SAFETY: the library's initialisers have no requirements.
    let library = unsafe { Library::new("libsodium.so.23") }.ok()?;
    // SAFETY: the type is that of the library's documentation.
    let init = unsafe { library.get::<unsafe extern "C" fn() -> c_int>(b"sodium_init") }.ok()?;
    // SAFETY: it can be called at any time.
    assert!(unsafe { init() } >= 0);
    // SAFETY: as above.
    let hash = *unsafe { library.get::<Sodium>(b"crypto_pwhash") }.ok()?;
    let memory_bytes = MEMORY_KIB as usize * 1024;
    let hash = move || {
        let _open = &library;
        let (mut tag, password) = ([0; 32], black_box(PASSWORD));
        // SAFETY: the lengths are those of the slices; 2 is argon2id.
        let status = unsafe {
            hash(
                tag.as_mut_ptr(),
                32,
                password.as_ptr().cast(),
                password.len() as c_ulonglong,
                SALT.as_ptr(),
                PASSES.into(),
                memory_bytes,
                2,
            )
        };
        assert_eq!(status, 0);
        tag
    };
    Some(Peer { name: "libsodium".into(), hash: Box::new(hash) })
}

type Argon2Raw = unsafe extern "C" fn(
    passes: u32,
    memory_kib: u32,
    lanes: u32,
    password: *const c_void,
    password_len: usize,
    salt: *const c_void,
    salt_len: usize,
    out: *mut c_void,
    out_len: usize,
) -> c_int;

fn libargon2(file: &str) -> Option<Peer> {
    // SAFETY: the library has no initialisers.
    let library = unsafe { Library::new(file) }.ok()?;
    // SAFETY: the type is that of `argon2.h`.
    let hash = *unsafe { library.get::<Argon2Raw>(b"argon2id_hash_raw") }.ok()?;
    let hash = move || {
        let _open = &library;
        let (mut tag, password) = ([0_u8; 32], black_box(PASSWORD));
        // SAFETY: the lengths are those of the slices.
        let status = unsafe {
            hash(
                PASSES,
                MEMORY_KIB,
                1,
                password.as_ptr().cast(),
                password.len(),
                SALT.as_ptr().cast(),
                SALT.len(),
                tag.as_mut_ptr().cast(),
                tag.len(),
            )
        };
        assert_eq!(status, 0);
        tag
    };
    let name = file.rsplit('/').next().unwrap_or(file).to_owned();
    Some(Peer { name, hash: Box::new(hash) })
}
