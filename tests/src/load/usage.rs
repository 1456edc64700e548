//! What processes cost: the processor's time and the memory of a server and of its database, read
//! from `/proc`. A process counts with all its children.

use std::collections::BTreeMap;
use std::fs;

/// The processes of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Processes {
    pub server: Option<u32>,
    /// The first process of its database, if that is not a part of the server.
    pub database: Option<u32>,
}

/// The processor's time that was used so far, in seconds.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    pub server: f64,
    pub database: f64,
}

impl Processes {
    pub fn cpu(&self) -> Cpu {
        let families = Families::read();
        Cpu { server: families.seconds(self.server), database: families.seconds(self.database) }
    }

    /// The memory of the server in MiB: now, and at its highest.
    pub fn memory(&self) -> Option<(f64, f64)> {
        let families = Families::read();
        let family = families.of(self.server?);
        let sum = |field| family.iter().filter_map(|id| mebibytes(*id, field)).sum::<f64>();
        (!family.is_empty()).then(|| (sum("VmRSS:"), sum("VmHWM:")))
    }
}

/// The parent of a process.
pub fn parent(id: u32) -> Option<u32> {
    Process::read(id).map(|process| process.parent)
}

impl Cpu {
    /// What was used since `before`.
    pub fn since(self, before: Cpu) -> Cpu {
        Cpu { server: self.server - before.server, database: self.database - before.database }
    }
}

struct Process {
    parent: u32,
    /// With that of children that have ended.
    ticks: u64,
}

impl Process {
    fn read(id: u32) -> Option<Self> {
        Process::parse(&fs::read_to_string(format!("/proc/{id}/stat")).ok()?)
    }

    /// The name in parentheses may contain anything; after it come the state, the parent, and as the
    /// twelfth to fifteenth field the times.
    fn parse(stat: &str) -> Option<Self> {
        let (_, fields) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let parent = fields.get(1)?.parse().ok()?;
        let ticks = fields
            .get(11..15)?
            .iter()
            .map(|field| field.parse::<u64>().ok())
            .sum::<Option<u64>>()?;
        Some(Process { parent, ticks })
    }
}

/// All processes at one moment.
struct Families(BTreeMap<u32, Process>);

impl Families {
    fn read() -> Self {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        Families(ids.filter_map(|id| Some((id, Process::read(id)?))).collect())
    }

    /// A process and all that descend from it.
    fn of(&self, first: u32) -> Vec<u32> {
        let descends = |id: &u32| {
            let mut at = *id;
            while at != first {
                match self.0.get(&at) {
                    Some(process) if process.parent != 0 => at = process.parent,
                    _ => return false,
                }
            }
            true
        };
        self.0.keys().copied().filter(descends).collect()
    }

    fn seconds(&self, first: Option<u32>) -> f64 {
        let family = first.map(|first| self.of(first)).unwrap_or_default();
        let ticks: u64 =
            family.iter().filter_map(|id| self.0.get(id)).map(|process| process.ticks).sum();
        ticks as f64 / rustix::param::clock_ticks_per_second() as f64
    }
}

fn mebibytes(id: u32, field: &str) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes / 1_024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_of_a_process_with_a_strange_name_is_read() {
        let stat = "7 (a) b) S 3 7 7 0 -1 0 0 0 0 0 10 20 30 40 20 0 1 0 5 0 0";
        let process = Process::parse(stat).expect("a process");
        assert_eq!((process.parent, process.ticks), (3, 100));
        assert!(Process::parse("7 (a) S 3").is_none());
    }

    #[test]
    fn own_process_has_a_parent_and_memory() {
        let own = std::process::id();
        assert!(parent(own).is_some());
        let processes = Processes { server: Some(own), database: None };
        let (now, highest) = processes.memory().expect("memory");
        assert!(now > 0.0 && highest > 0.0);
        assert!(processes.cpu().database == 0.0);
    }
}
