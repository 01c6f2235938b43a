//! How much memory this process may use.

use std::path::Path;

/// What is assumed where the system does not tell.
const UNKNOWN: usize = 2 * 1024 * 1024 * 1024;

/// The memory of this machine, or the least that a control group of this process (of version 1 or 2) is limited to, in
/// bytes. 2 GiB where the system does not tell.
pub fn available_memory() -> usize {
    let machine = std::fs::read_to_string("/proc/meminfo");
    let machine = machine.ok().and_then(|text| total_memory(&text));
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let limits = limits(&groups, Path::new("/sys/fs/cgroup"));
    machine.into_iter().chain(limits).min().unwrap_or(UNKNOWN)
}

/// What `/proc/meminfo` says.
fn total_memory(meminfo: &str) -> Option<usize> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: usize = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kilobytes.checked_mul(1024)
}

/// The limits of the groups that `/proc/self/cgroup` names, and of those around them. In a container the path may be that
/// of the machine outside; then the root of what is mounted is the group.
fn limits(groups: &str, root: &Path) -> Option<usize> {
    let of_group = |line: &str| {
        let mut parts = line.splitn(3, ':');
        let (_number, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
        let (root, name) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|it| it == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        let group = root.join(path.trim_start_matches('/'));
        let around = group.ancestors().take_while(|path| path.starts_with(&root));
        around
            .filter_map(|group| std::fs::read_to_string(group.join(name)).ok())
            // "max", or in version 1 a number that no machine has, is no limit: the machine's memory is less.
            .filter_map(|text| text.trim().parse().ok())
            .min()
    };
    groups.lines().filter_map(of_group).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_tells() {
        let text = "MemTotal:       24576000 kB\nMemFree:         2000 kB\n";
        assert_eq!(total_memory(text), Some(24_576_000 * 1024));
        assert_eq!(total_memory("MemFree: 1 kB"), None);
        assert!(available_memory() > 16 * 1024 * 1024);
    }

    #[test]
    fn the_smallest_group_counts() {
        let root = std::env::temp_dir().join(format!("stellar-groups-{}", std::process::id()));
        let inner = root.join("machine.slice/app.service");
        let first = root.join("memory/docker/x");
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::create_dir_all(&first).unwrap();
        let write = |path: &Path, name: &str, text: &str| {
            std::fs::write(path.join(name), text).unwrap();
        };
        write(&inner, "memory.max", "max\n");
        write(&root.join("machine.slice"), "memory.max", "268435456\n");
        write(&first, "memory.limit_in_bytes", "9223372036854771712\n");
        write(&root.join("memory"), "memory.limit_in_bytes", "134217728\n");

        let second = "0::/machine.slice/app.service\n";
        assert_eq!(limits(second, &root), Some(268_435_456));
        assert_eq!(limits("0::/", &root), None);
        let first = "11:cpu,cpuacct:/docker/x\n4:memory:/docker/x\n0::/\n";
        assert_eq!(limits(first, &root), Some(134_217_728));
        // What the path names is not there: the root is the group.
        assert_eq!(limits("4:memory:/elsewhere", &root), Some(134_217_728));
        assert_eq!(limits("what is this", &root), None);
        std::fs::remove_dir_all(&root).unwrap();
    }
}
