//! What is recorded of the machine and of the commit under test.
//!
//! Invariants: probing never fails; what cannot be told is absent or `unknown`. All text that comes from the system is
//! cleaned, because it ends up in baselines and reports. Linux is what this was run on; the macOS branches are written
//! after Apple's manual pages and compiled, but were not run.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::spawn;
use crate::model::Bytes;
use crate::model::machine::{Machine, RunnerClass, Target};

/// Longest CPU or kernel name kept, in characters; real ones stay below 60.
const MAX_NAME: usize = 120;

/// Looks at this machine.
#[must_use]
pub fn probe() -> Machine {
    let cores = std::thread::available_parallelism().map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX));
    let mut limitations = spawn::limitations();
    if cores == 1 {
        limitations.push("workers share the only core with everything else".to_owned());
    }
    Machine {
        class: RunnerClass { target: Target::host(), cpu: clean(&cpu()) },
        cores,
        memory: memory(),
        kernel: clean(&kernel()),
        load: load(),
        limitations,
    }
}

/// The commit checked out in `folder`, with `-dirty` appended when tracked files differ from it. Absent where there is
/// no git, no repository or no commit.
#[must_use]
pub fn this_commit(folder: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        // Without optional locks, a run never disturbs what the user does in the repository meanwhile.
        output(Command::new("git").arg("--no-optional-locks").arg("-C").arg(folder).args(arguments))
    };
    let head = git(&["rev-parse", "--verify", "HEAD"])?;
    let commit = head.trim();
    if !matches!(commit.len(), 40 | 64) || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let changes = git(&["status", "--porcelain", "--untracked-files=no"])?;
    let dirty = if changes.trim().is_empty() { "" } else { "-dirty" };
    Some(format!("{commit}{dirty}"))
}

fn output(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A value of macOS's `sysctl`; not run on one.
fn sysctl(name: &str) -> Option<String> {
    if cfg!(target_os = "macos") { output(Command::new("/usr/sbin/sysctl").args(["-n", name])) } else { None }
}

fn cpu() -> String {
    fs::read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| cpu_from_cpuinfo(&text))
        .or_else(|| sysctl("machdep.cpu.brand_string"))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn memory() -> Option<Bytes> {
    fs::read_to_string("/proc/meminfo")
        .ok()
        .and_then(|text| memory_from_meminfo(&text))
        .or_else(|| sysctl("hw.memsize")?.trim().parse().ok().map(Bytes))
}

fn kernel() -> String {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).ok();
    match (read("ostype"), read("osrelease")) {
        (Some(name), Some(release)) => format!("{} {}", name.trim(), release.trim()),
        _ => output(Command::new("/usr/bin/uname").arg("-sr")).unwrap_or_else(|| "unknown".to_owned()),
    }
}

fn load() -> Option<f64> {
    let text = fs::read_to_string("/proc/loadavg").ok().or_else(|| sysctl("vm.loadavg"))?;
    load_from(&text)
}

/// The first field of `/proc/cpuinfo` with this name.
fn field<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    cpuinfo
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim())
}

fn cpu_from_cpuinfo(text: &str) -> Option<String> {
    let Some(model) = field(text, "model name").filter(|name| !name.is_empty()) else {
        return arm_cpu(field(text, "CPU implementer")?, field(text, "CPU part")?);
    };
    // Hypervisors may hide the model number; family and model then keep unlike processors in unlike classes.
    match (field(text, "cpu family"), field(text, "model")) {
        (Some(family), Some(number)) if !model.contains(|c: char| c.is_ascii_digit()) => {
            Some(format!("{model} (family {family} model {number})"))
        }
        _ => Some(model.to_owned()),
    }
}

/// AArch64 Linux gives numbers instead of names. The names are those of the processors that hosted runners and clouds
/// offer, as in the Linux kernel's `arch/arm64/include/asm/cputype.h`.
fn arm_cpu(implementer: &str, part: &str) -> Option<String> {
    let name = match (implementer, part) {
        ("0x41", "0xd0c") => "Neoverse-N1",
        ("0x41", "0xd40") => "Neoverse-V1",
        ("0x41", "0xd49") => "Neoverse-N2",
        ("0x41", "0xd4f") => "Neoverse-V2",
        ("0x41", "0xd84") => "Neoverse-V3",
        ("0x41", "0xd8e") => "Neoverse-N3",
        ("0xc0", "0xac3") => "Ampere-1",
        _ => return Some(format!("implementer {implementer} part {part}")),
    };
    Some(format!("{name} (implementer {implementer} part {part})"))
}

fn memory_from_meminfo(text: &str) -> Option<Bytes> {
    let kibibytes: u64 = field(text, "MemTotal")?.strip_suffix("kB")?.trim().parse().ok()?;
    Some(Bytes(kibibytes.saturating_mul(1024)))
}

/// One-minute average from Linux's `0.12 0.34 …` or macOS's `{ 0.12 0.34 … }`.
fn load_from(text: &str) -> Option<f64> {
    let load: f64 = text.split_ascii_whitespace().find(|word| *word != "{")?.parse().ok()?;
    load.is_finite().then_some(load)
}

/// One line of bounded length, without control characters and runs of spaces.
fn clean(text: &str) -> String {
    let printable: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let words: Vec<&str> = printable.split_whitespace().collect();
    words.join(" ").chars().take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_names_come_from_both_architectures() {
        let epyc =
            "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 1\nmodel name\t: AMD EPYC 7763\n";
        assert_eq!(cpu_from_cpuinfo(epyc).as_deref(), Some("AMD EPYC 7763"));
        let hidden = "cpu family\t: 6\nmodel\t\t: 207\nmodel name\t: Intel(R) Xeon(R) Processor\n";
        assert_eq!(cpu_from_cpuinfo(hidden).as_deref(), Some("Intel(R) Xeon(R) Processor (family 6 model 207)"));
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0c\n";
        assert_eq!(cpu_from_cpuinfo(arm).as_deref(), Some("Neoverse-N1 (implementer 0x41 part 0xd0c)"));
        let unknown = "CPU implementer\t: 0x99\nCPU part\t: 0x001\n";
        assert_eq!(cpu_from_cpuinfo(unknown).as_deref(), Some("implementer 0x99 part 0x001"));
        assert_eq!(cpu_from_cpuinfo("flags: none\n"), None);
    }

    #[test]
    fn figures_are_parsed_or_absent() {
        assert_eq!(memory_from_meminfo("MemTotal:        4026684 kB\nMemFree: 1 kB\n"), Some(Bytes(4_026_684 * 1024)));
        assert_eq!(memory_from_meminfo("MemTotal: many\n"), None);
        assert_eq!(load_from("0.52 0.40 0.30 1/200 999\n"), Some(0.52));
        assert_eq!(load_from("{ 1.93 2.05 2.10 }\n"), Some(1.93));
        assert_eq!(load_from("nan"), None);
        assert_eq!(load_from(""), None);
    }

    #[test]
    fn text_from_the_system_is_cleaned() {
        assert_eq!(clean(" Some\tCPU   \u{1b}[31m@ 3 GHz\n"), "Some CPU [31m@ 3 GHz");
        assert_eq!(clean(&"x".repeat(500)).len(), MAX_NAME);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_is_recognised() {
        let machine = probe();
        assert_ne!(machine.class.cpu, "unknown");
        assert!(machine.cores >= 1);
        assert!(machine.memory.is_some_and(|bytes| bytes.0 > 1 << 26));
        assert!(machine.kernel.starts_with("Linux "), "{}", machine.kernel);
    }

    #[test]
    fn commits_are_named_and_local_changes_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        // The folder may lie within some other repository, so git must not look above it.
        assert_eq!(this_commit(&path.join("absent")), None);
        let git = |arguments: &[&str]| {
            let mut command = Command::new("git");
            command.arg("-C").arg(path).args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).args(arguments);
            assert!(command.output().unwrap().status.success(), "git {arguments:?}");
        };
        git(&["init", "--quiet"]);
        assert_eq!(this_commit(path), None);
        fs::write(path.join("file"), "one").unwrap();
        git(&["add", "file"]);
        git(&["commit", "--quiet", "--no-gpg-sign", "-m", "one"]);
        let clean = this_commit(path).unwrap();
        assert!(clean.len() == 40 && !clean.contains('-'), "{clean}");
        fs::write(path.join("other"), "untracked").unwrap();
        assert_eq!(this_commit(path).as_deref(), Some(clean.as_str()));
        fs::write(path.join("file"), "two").unwrap();
        assert_eq!(this_commit(path), Some(format!("{clean}-dirty")));
    }
}
