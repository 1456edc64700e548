//! Reads the database of a Django directly, and writes what `integrations/export.py` writes: an
//! import file. The database is only read, in one transaction that sees one state of it.

mod connection;
mod description;
mod django;
mod lines;
mod look_up;
mod problem;
mod schema;
mod value;

use std::fs::File;
use std::io::{BufWriter, Seek as _};
use std::path::Path;

use self::connection::{Connection, Extent};
use self::description::{describe, finding};
use self::django::Django;
use self::lines::Lines;
pub use self::look_up::{Source, Wanted};
pub use self::problem::DonorError;
use self::problem::Problem;
use crate::config::Adopt;
use crate::owner_only;
use crate::store::Database;

/// What an import file of a database consists of.
pub struct Export {
    /// It has no name any more, so that nothing is left of it, however the process ends.
    pub file: File,
    /// The address of the database, without a password.
    pub donor: String,
    /// What was found there, for people.
    pub findings: Vec<String>,
}

/// Whether this is the URL of a database, and no file.
pub fn is_url(source: &str) -> bool {
    ["sqlite:", "postgres:", "postgresql:"].iter().any(|scheme| source.starts_with(scheme))
}

/// Reads the database at `url` into a file in `folder`. `progress` gets the numbers of its lines.
pub async fn export(
    url: &str,
    settings: &Adopt,
    now: i64,
    folder: &Path,
    progress: impl Fn(u64),
) -> Result<Export, DonorError> {
    let database = Database::of(Some(url), folder);
    let database = database.map_err(|_| DonorError::of("the URL", Problem::Url))?;
    let donor = database.to_string();
    let read = read(&database, settings, now, folder, progress).await;
    let (file, findings) = read.map_err(|problem| DonorError::of(&donor, problem))?;
    Ok(Export { file, donor, findings })
}

async fn read(
    database: &Database,
    settings: &Adopt,
    now: i64,
    folder: &Path,
    progress: impl Fn(u64),
) -> Result<(File, Vec<String>), Problem> {
    if let Database::Sqlite(options) = database
        && !options.get_filename().is_file()
    {
        return Err(Problem::Absent);
    }
    let mut connection = Connection::open(database, Extent::Whole).await?;
    let django = Django::look(&mut connection, settings).await?;
    let users = describe(&mut connection, &django.users).await?;
    let left_out = django.count_left_out(&mut connection).await?;
    let lines = BufWriter::new(nameless(folder, now)?);
    let lines = Lines::new(lines, &django, settings, now, progress);
    let file = lines.write_all(&mut connection, users.as_ref()).await?;
    connection.close().await;
    let mut file = file.into_inner().map_err(std::io::IntoInnerError::into_error)?;
    file.rewind()?;
    let mut findings = django.findings();
    findings.extend(finding(users.as_ref()));
    if settings.password_hashers.is_empty() {
        let warning = "PASSWORD_HASHERS is not in the database: a hash of a scheme that the Django does \
                       not accept any more opens its account here; to refuse it, set \
                       adopt.password_hashers";
        findings.push(warning.to_owned());
    }
    if left_out > 0 {
        findings.push(format!("{left_out} accounts left out: their ids are not above 0"));
    }
    Ok((file, findings))
}

/// A new file for hashes, that is deleted while it is open.
fn nameless(folder: &Path, now: i64) -> Result<File, Problem> {
    let path = folder.join(format!("adopting-{}-{now}", std::process::id()));
    let file = owner_only::options().read(true).create_new(true).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}
