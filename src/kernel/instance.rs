//! A tracefs instance of our own: its own ring buffer, its own switched-on events, nothing shared with other tracers.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use thiserror::Error;

const PREFIX: &str = "whyrst-";
const EVENTS: [&str; 2] = ["tcp_send_reset", "tcp_receive_reset"];
/// Ring buffer per CPU in KiB: about 10,000 resets of about 100 bytes between two reads.
const BUFFER_KIB: &str = "1024";
/// A line of `trace_pipe` is far shorter; more than this without an end of line is dropped.
const LONGEST_LINE: usize = 16 * 1024;

/// Why the kernel's word is not to be had.
#[derive(Debug, Error)]
pub enum TraceError {
    /// tracefs is not mounted.
    #[error("tracefs is not mounted (mount -t tracefs nodev /sys/kernel/tracing)")]
    NotMounted,
    /// The kernel has no such tracepoint, or one that gives no reason.
    #[error("this kernel's tcp_send_reset gives no reason (Linux 6.10 and later do)")]
    TooOld,
    /// tracefs refused.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was being done.
        doing: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl TraceError {
    fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    /// Rights are missing (and not something else).
    pub fn is_permission(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied)
    }
}

/// Where tracefs is mounted: the first `tracefs` of a mount table in the format of `/proc/self/mounts`.
pub fn find_tracefs(mounts: &str) -> Option<PathBuf> {
    mounts.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (_, path, kind) = (words.next()?, words.next()?, words.next()?);
        (kind == "tracefs").then(|| PathBuf::from(path))
    })
}

/// Removes the instances that earlier runs left behind because they crashed. One that is still read answers "busy" and stays.
/// Returns how many went.
pub fn remove_leftovers(tracefs: &Path) -> usize {
    let Ok(entries) = fs::read_dir(tracefs.join("instances")) else {
        return 0;
    };
    entries
        .flatten()
        .filter(|entry| {
            entry
                .file_name()
                .to_str()
                .and_then(|name| name.strip_prefix(PREFIX))
                .and_then(|rest| rest.split('-').next()?.parse::<u32>().ok())
                .is_some_and(|pid| !Path::new("/proc").join(pid.to_string()).exists())
        })
        // trace_pipe held open makes instance_rmdir() answer EBUSY: a run in another PID namespace is safe from this.
        .filter(|entry| fs::remove_dir(entry.path()).is_ok())
        .count()
}

/// The instance; dropping it removes it from the kernel.
#[derive(Debug)]
pub struct TraceInstance {
    path: PathBuf,
    /// `None` only while being dropped: the kernel refuses to remove an instance that is still read.
    pipe: Option<File>,
    partial: Vec<u8>,
}

impl TraceInstance {
    /// Creates `instances/whyrst-PID`, sets its clock to `CLOCK_MONOTONIC` and switches both events on.
    pub fn create(tracefs: &Path, pid: u32) -> Result<Self, TraceError> {
        check_events(tracefs)?;
        let path = make_directory(tracefs, pid)?;
        let mut instance = Self {
            path,
            pipe: None,
            partial: Vec::new(),
        };
        instance.write("trace_clock", "mono")?;
        instance.write("buffer_size_kb", BUFFER_KIB)?;
        for event in EVENTS {
            instance.write(&format!("events/tcp/{event}/enable"), "1")?;
        }
        let pipe = instance.path.join("trace_pipe");
        instance.pipe = Some(open_pipe(&pipe).map_err(TraceError::io("opening", &pipe))?);
        Ok(instance)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self, file: &str, value: &str) -> Result<(), TraceError> {
        let path = self.path.join(file);
        fs::write(&path, value).map_err(TraceError::io("writing", &path))
    }

    /// Hands over every whole line that is waiting, and returns at once.
    pub fn read_lines(&mut self, mut line: impl FnMut(&str)) -> io::Result<()> {
        let Some(pipe) = self.pipe.as_mut() else {
            return Ok(());
        };
        let mut buffer = [0; 16 * 1024];
        loop {
            match pipe.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(n) => split_lines(
                    &mut self.partial,
                    buffer.get(..n).unwrap_or_default(),
                    &mut line,
                ),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}

impl Drop for TraceInstance {
    fn drop(&mut self) {
        self.pipe = None;
        // Nothing to be done about a failure here; the next run's `remove_leftovers` tries again.
        let _ = fs::remove_dir(&self.path);
    }
}

fn check_events(tracefs: &Path) -> Result<(), TraceError> {
    if !tracefs.join("instances").exists() {
        // An empty directory is what an unmounted /sys/kernel/tracing looks like, and what one without rights does not.
        return Err(match fs::read_dir(tracefs) {
            Err(source) => TraceError::io("reading", tracefs)(source),
            Ok(_) => TraceError::NotMounted,
        });
    }
    let format = tracefs.join("events/tcp/tcp_send_reset/format");
    match fs::read_to_string(&format) {
        Ok(text) if text.contains("reason") => Ok(()),
        Ok(_) => Err(TraceError::TooOld),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(TraceError::TooOld),
        Err(error) => Err(TraceError::io("reading", &format)(error)),
    }
}

/// Two PID namespaces on one kernel may use the same number.
fn make_directory(tracefs: &Path, pid: u32) -> Result<PathBuf, TraceError> {
    let instances = tracefs.join("instances");
    let mut path = instances.join(format!("{PREFIX}{pid}"));
    let mut attempt = 1;
    loop {
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => {
                path = instances.join(format!("{PREFIX}{pid}-{attempt}"));
                attempt += 1;
            }
            Err(error) => return Err(TraceError::io("creating", &path)(error)),
        }
    }
}

#[cfg(target_os = "linux")]
fn open_pipe(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;
    /// `O_NONBLOCK` of include/uapi/asm-generic/fcntl.h; alpha, mips and parisc differ and get a blocking read, which is slower to end.
    const O_NONBLOCK: i32 = 0o4000;
    OpenOptions::new()
        .read(true)
        .custom_flags(O_NONBLOCK)
        .open(path)
}

#[cfg(not(target_os = "linux"))]
fn open_pipe(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).open(path)
}

fn split_lines(partial: &mut Vec<u8>, bytes: &[u8], line: &mut impl FnMut(&str)) {
    let mut rest = bytes;
    while let Some(end) = rest.iter().position(|&byte| byte == b'\n') {
        let (head, tail) = rest.split_at(end);
        partial.extend_from_slice(head);
        line(&String::from_utf8_lossy(partial));
        partial.clear();
        rest = tail.get(1..).unwrap_or_default();
    }
    if partial.len() + rest.len() > LONGEST_LINE {
        partial.clear();
    } else {
        partial.extend_from_slice(rest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tracefs_is_found_wherever_it_is_mounted() {
        let mounts = "proc /proc proc rw 0 0\nnodev /mnt/trace tracefs rw,nosuid 0 0\ntracefs /sys/kernel/tracing tracefs rw 0 0\n";
        assert_eq!(find_tracefs(mounts), Some("/mnt/trace".into()));
        assert_eq!(find_tracefs("proc /proc proc rw 0 0\n"), None);
    }

    #[test]
    fn lines_come_whole_however_they_are_cut() {
        let mut partial = Vec::new();
        let mut lines = Vec::new();
        for piece in ["fir", "st\nsec", "ond\n", "\nrest"] {
            split_lines(&mut partial, piece.as_bytes(), &mut |line: &str| {
                lines.push(line.to_owned());
            });
        }
        assert_eq!(lines, ["first", "second", ""]);
        assert_eq!(partial, b"rest");
    }

    #[test]
    fn a_line_without_end_does_not_grow_for_ever() {
        let mut partial = Vec::new();
        for _ in 0..100 {
            split_lines(&mut partial, &[b'x'; 1000], &mut |_: &str| {});
        }
        assert!(partial.len() <= LONGEST_LINE);
    }

    #[test]
    fn an_old_kernel_is_told_apart_from_a_missing_mount() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(
            TraceInstance::create(dir.path(), 1),
            Err(TraceError::NotMounted)
        ));
        fs::create_dir_all(dir.path().join("instances")).unwrap();
        assert!(matches!(
            TraceInstance::create(dir.path(), 1),
            Err(TraceError::TooOld)
        ));
        let event = dir.path().join("events/tcp/tcp_send_reset");
        fs::create_dir_all(&event).unwrap();
        fs::write(
            event.join("format"),
            "print fmt: \"src=%pISpc dest=%pISpc state=%s\"",
        )
        .unwrap();
        assert!(matches!(
            TraceInstance::create(dir.path(), 1),
            Err(TraceError::TooOld)
        ));
    }

    #[test]
    fn leftovers_of_dead_processes_go_and_others_stay() {
        let dir = tempfile::tempdir().unwrap();
        let instances = dir.path().join("instances");
        let alive = format!("whyrst-{}", std::process::id());
        // Above the largest pid_max of Linux (2^22).
        let dead = ["whyrst-4194399", "whyrst-4194399-3"];
        let others = ["other", "whyrst-", "whyrst-x", alive.as_str()];
        for name in dead.iter().chain(&others) {
            fs::create_dir_all(instances.join(name)).unwrap();
        }
        let expected = if Path::new("/proc/self").exists() {
            2
        } else {
            return;
        };
        assert_eq!(remove_leftovers(dir.path()), expected);
        for name in others {
            assert!(instances.join(name).exists(), "{name}");
        }
    }
}
