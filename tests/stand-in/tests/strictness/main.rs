//! That the stand-in refuses what the real providers refuse, and is out of order when told to be.

mod authorize;
mod behaviours;
mod browser;
mod google;
mod mail_ru;
mod oracle;
mod vk;
mod yandex;
