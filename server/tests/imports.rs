//! Reads the `use` lines of the sources: an import goes to a lower floor, and no files import each
//! other in a circle. Give a new file or folder a floor in the lists below.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The files and folders of a folder, from the top floor down. Entries of one floor do not import
/// each other.
type Floors = &'static [&'static [&'static str]];

const SERVER: Floors = &[
    &["main"],
    &["lib"],
    &["cli"],
    &["startup"],
    &["dialects"],
    &["drf"],
    &["api", "pages"],
    &["upstream"],
    &["auth"],
    &["webhook"],
    &["app_links", "donor", "mail", "providers"],
    &["config"],
    &["store"],
    &["error"],
    &["http", "identifier", "import_file", "log", "openapi"],
    &["algorithm", "clock", "language", "owner_only", "python", "readable", "redirect"],
    &["request_record", "tls"],
    &["address_privacy"],
];

/// Use cases are above `domain`; below it are mechanisms, which know neither `domain` nor a use
/// case.
const AUTH: Floors = &[
    &["mod"],
    &["adoption"],
    &["kept", "oauth_clients", "operator", "overview"],
    &["federation"],
    &["sign_in", "restored"],
    &["accounts"],
    &["sessions", "sweeper", "webhooks"],
    &["delivery", "events", "follow", "settings_seen", "signing_keys", "unlock"],
    &["domain", "secret"],
    &["requester"],
    &["api_numbers", "mailing"],
    &["policy"],
    &["look_ups", "password"],
    &["after_commit", "limits", "tokens"],
    &["adopting", "clock_watch", "counts", "names", "numbers", "refused", "revoked", "secrets"],
];

const SDK: Floors = &[
    &["lib"],
    &["testing", "api"],
    &["client"],
    &["api_access"],
    &["session"],
    &["http", "fuzz"],
    &["dialects", "pending_sign_in", "loopback"],
    &["existing_tokens", "deeplink"],
    &["pkce", "network", "redirect", "vault"],
    &["error"],
    &["account", "clock", "rejection", "vault_state"],
    &["unknown_members"],
];

#[test]
fn import_of_the_server_goes_to_a_lower_floor() {
    let sources = Sources::read("server/src", "propusk_server");
    assert_eq!(sources.without_floor("server/src", SERVER), Vec::<String>::new(), "has no floor");
    assert_eq!(sources.running_up("server/src", SERVER), Vec::<String>::new());
    assert_eq!(
        sources.without_floor("server/src/auth", AUTH),
        Vec::<String>::new(),
        "has no floor"
    );
    assert_eq!(sources.running_up("server/src/auth", AUTH), Vec::<String>::new());
}

#[test]
fn import_of_the_sdk_goes_to_a_lower_floor() {
    let sources = Sources::read("sdk/src", "propusk");
    assert_eq!(sources.without_floor("sdk/src", SDK), Vec::<String>::new(), "has no floor");
    assert_eq!(sources.running_up("sdk/src", SDK), Vec::<String>::new());
}

#[test]
fn files_import_each_other_in_no_circle() {
    let crates = [
        ("server/src", "propusk_server"),
        ("server/argon2-kernel/src", "propusk_argon2_kernel"),
        ("sdk/src", "propusk"),
        ("bindings/src", "propusk_ffi"),
        ("demo-app/plugin/src", "tauri_plugin_propusk"),
        ("demo-app/src-tauri/src", "propusk_demo_lib"),
    ];
    for (folder, krate) in crates {
        assert_eq!(Sources::read(folder, krate).circles(), Vec::<String>::new());
    }
}

#[test]
fn use_lines_are_read_with_groups_and_new_names() {
    let text =
        "use a::{b::{self, C}, d as e};\npub use f;\n// use g;\n#[cfg(test)]\nmod tests {\nuse h;";
    let read: Vec<_> = imports(text).iter().map(|import| import.path.join("::")).collect();
    assert_eq!(read, ["a::b", "a::b::C", "a::d", "f"]);
}

/// One imported path, and the name that it gets in its file.
struct Import {
    path: Vec<String>,
    name: String,
    is_public: bool,
}

/// The source files of a crate, by their paths from the root of the repository.
struct Sources {
    root: &'static str,
    krate: &'static str,
    files: BTreeMap<PathBuf, Vec<Import>>,
}

impl Sources {
    fn read(root: &'static str, krate: &'static str) -> Self {
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
        let mut files = BTreeMap::new();
        let mut folders = vec![repository.join(root)];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if is_source(&path) {
                    let text = std::fs::read_to_string(&path).expect("a source file");
                    let path = path.strip_prefix(repository).expect("in the repository");
                    files.insert(path.to_owned(), imports(&text));
                }
            }
        }
        Sources { root, krate, files }
    }

    /// The entries of `folder` that `floors` does not list.
    fn without_floor(&self, folder: &str, floors: Floors) -> Vec<String> {
        let entries = self.files.keys().filter_map(|file| entry(file, folder));
        let unlisted: BTreeSet<_> =
            entries.filter(|entry| floor(floors, entry).is_none()).collect();
        unlisted.into_iter().collect()
    }

    /// The imports between entries of `folder` that do not go to a lower floor.
    fn running_up(&self, folder: &str, floors: Floors) -> Vec<String> {
        let is_up = |(from, to): &(&Path, PathBuf)| {
            let (Some(from), Some(to)) = (entry(from, folder), entry(to, folder)) else {
                return false;
            };
            let floors = (floor(floors, &from), floor(floors, &to));
            from != to && matches!(floors, (Some(from), Some(to)) if to <= from)
        };
        let up: BTreeSet<_> = self.edges().filter(is_up).map(|edge| arrow(&edge)).collect();
        up.into_iter().collect()
    }

    /// The imports that are part of a circle. A file may import from the module that contains it.
    fn circles(&self) -> Vec<String> {
        let mut next: BTreeMap<&Path, BTreeSet<PathBuf>> = BTreeMap::new();
        for (from, to) in self.edges() {
            let is_own_face = from.starts_with(module(&to));
            if !is_own_face {
                next.entry(from).or_default().insert(to);
            }
        }
        let leads_back = |from: &Path, to: &Path| reachable(&next, to).contains(from);
        let edges = next.iter().flat_map(|(from, all)| all.iter().map(|to| (*from, to)));
        let in_circles = edges.filter(|(from, to)| leads_back(from, to));
        let named = |(from, to): (&Path, &PathBuf)| {
            format!("{} imports {}, which leads back to it", from.display(), to.display())
        };
        in_circles.map(named).collect()
    }

    /// Every import from one file of the crate to another, where it is defined. What a file only
    /// hands on with `pub use` is no import.
    fn edges(&self) -> impl Iterator<Item = (&Path, PathBuf)> {
        self.files.iter().flat_map(|(from, imports)| {
            let own = imports.iter().filter(|import| !import.is_public);
            let targets = own.filter_map(|import| self.target(from, &import.path, 0));
            targets.filter(move |to| to != from).map(move |to| (from.as_path(), to))
        })
    }

    /// The file that defines `path` as `from` names it; `None` for another crate's.
    fn target(&self, from: &Path, path: &[String], depth: usize) -> Option<PathBuf> {
        let (mut folder, mut rest) = self.start(from, path)?;
        while let Some((name, behind)) = rest.split_first() {
            if self.file_of(&folder.join(name)).is_none() {
                break;
            }
            (folder, rest) = (folder.join(name), behind);
        }
        let file = self.file_of(&folder)?;
        let handed_on = rest.first().and_then(|name| {
            let found = self.files[&file].iter().find(|import| import.name == *name)?;
            (depth < 8).then(|| self.target(&file, &found.path, depth + 1))?
        });
        Some(handed_on.unwrap_or(file))
    }

    /// The module where `path` begins, as a folder, and what follows.
    fn start<'p>(&self, from: &Path, path: &'p [String]) -> Option<(PathBuf, &'p [String])> {
        let (first, mut rest) = path.split_first()?;
        let own = module(from);
        let mut folder = match first.as_str() {
            "crate" => PathBuf::from(self.root),
            krate if krate == self.krate => PathBuf::from(self.root),
            "self" => own,
            "super" => own.parent()?.to_owned(),
            child if self.file_of(&own.join(child)).is_some() => {
                return Some((own, path));
            }
            _ => return None,
        };
        while let Some(("super", behind)) = rest.split_first().map(|(s, b)| (s.as_str(), b)) {
            (folder, rest) = (folder.parent()?.to_owned(), behind);
        }
        Some((folder, rest))
    }

    /// The file of a module, given as a folder.
    fn file_of(&self, module: &Path) -> Option<PathBuf> {
        let files = [module.with_extension("rs"), module.join("mod.rs"), module.join("lib.rs")];
        files.into_iter().find(|file| self.files.contains_key(file))
    }
}

/// Whether a file is source code, and no file of tests.
fn is_source(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("tests.rs")
}

/// The module of a file, as a folder.
fn module(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default();
    match ["mod.rs", "lib.rs", "main.rs"].iter().any(|face| name == *face) {
        true => file.parent().expect("a folder").to_owned(),
        false => file.with_extension(""),
    }
}

/// The file or folder directly in `folder` that a file is or lies in.
fn entry(file: &Path, folder: &str) -> Option<String> {
    let inside = file.strip_prefix(folder).ok()?;
    let first = Path::new(inside.components().next()?.as_os_str()).with_extension("");
    Some(first.to_string_lossy().into_owned())
}

fn floor(floors: Floors, entry: &str) -> Option<usize> {
    floors.iter().position(|floor| floor.contains(&entry))
}

fn arrow((from, to): &(&Path, PathBuf)) -> String {
    format!("{} imports {}, which is not on a lower floor", from.display(), to.display())
}

fn reachable(next: &BTreeMap<&Path, BTreeSet<PathBuf>>, from: &Path) -> BTreeSet<PathBuf> {
    let mut seen = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(file) = open.pop() {
        for to in next.get(file.as_path()).into_iter().flatten() {
            if seen.insert(to.clone()) {
                open.push(to.clone());
            }
        }
    }
    seen
}

/// The imports of a file, without those of its tests, which are at its end.
fn imports(text: &str) -> Vec<Import> {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut imports = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let (visibility, rest) = match line.split_once("use ") {
            Some((before, rest)) if before.is_empty() || before.starts_with("pub") => {
                (before, rest)
            }
            _ => continue,
        };
        let mut tree = rest.to_owned();
        while !tree.contains(';') {
            tree.push_str(lines.next().expect("the end of a use"));
        }
        let tree = tree.split(';').next().unwrap_or_default();
        expand(&[], tree, !visibility.is_empty(), &mut imports);
    }
    imports
}

/// Adds the paths of a use tree below `parents`.
fn expand(parents: &[String], tree: &str, is_public: bool, imports: &mut Vec<Import>) {
    if let Some((before, group)) = tree.split_once('{') {
        let path = [parents, &segments(before)].concat();
        let group = group.trim_end().strip_suffix('}').unwrap_or(group);
        for item in items(group) {
            expand(&path, item, is_public, imports);
        }
        return;
    }
    let (path, name) = match tree.split_once(" as ") {
        Some((path, name)) => (path, Some(name.trim().to_owned())),
        None => (tree, None),
    };
    let mut path = [parents, &segments(path)].concat();
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    let Some(last) = path.last() else { return };
    let name = name.unwrap_or_else(|| last.clone());
    imports.push(Import { path, name, is_public });
}

fn segments(path: &str) -> Vec<String> {
    let segments = path.split("::").map(str::trim).filter(|segment| !segment.is_empty());
    segments.map(str::to_owned).collect()
}

/// The parts of a group, divided at its own commas and not at those of inner groups.
fn items(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0_i32, 0, Vec::new());
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                items.push(&group[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    items.push(&group[start..]);
    items.into_iter().filter(|item| !item.trim().is_empty()).collect()
}
