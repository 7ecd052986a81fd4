//! Giving up rights once everything that needs them is open.
//!
//! root becomes the user of sudo, or nobody, which also drops every capability (capabilities(7): all user ids change from 0); an ordinary user
//! with file capabilities drops those. Then Landlock, where the kernel has it, leaves only the directories that are written to.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use caps::{CapSet, Capability, CapsHashSet};
use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus,
};
use nix::unistd::{Gid, Uid, User, geteuid, setgroups, setresgid, setresuid};

use super::arguments::LiveArgs;
use crate::cli::screen::{self, Verbosity};

/// What is to be written after rights were dropped.
struct Writes {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
}

impl Writes {
    fn of(args: &LiveArgs) -> Self {
        let beside = |file: &PathBuf| match file.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        Self {
            files: args.output.files().cloned().collect(),
            directories: args
                .write_evidence
                .iter()
                .cloned()
                // Renamed into place, so the directory has to be written.
                .chain(args.metrics_file.iter().map(beside))
                .collect(),
        }
    }

    /// Creates what is not there, and gives it to the user who is going to write it.
    fn create(&self, owner: Option<&User>) -> anyhow::Result<()> {
        let give = |path: &Path| match owner {
            Some(user) => chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
                .with_context(|| format!("cannot give {} to {}", path.display(), user.name)),
            None => Ok(()),
        };
        for directory in &self.directories {
            if !directory.exists() {
                fs::create_dir_all(directory)
                    .with_context(|| format!("cannot create {}", directory.display()))?;
                give(directory)?;
            }
        }
        for file in &self.files {
            match fs::File::create_new(file) {
                Ok(_) => give(file)?,
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(error).with_context(|| format!("cannot write {}", file.display()));
                }
            }
        }
        Ok(())
    }

    /// Fails now and not after a week of capturing.
    fn check(&self) -> anyhow::Result<()> {
        let hint = "as the user that whyrst becomes (-Z NAME chooses another, -Z root stays)";
        for file in &self.files {
            fs::OpenOptions::new()
                .append(true)
                .open(file)
                .with_context(|| format!("cannot write {} {hint}", file.display()))?;
        }
        for directory in &self.directories {
            let probe = directory.join(format!(".whyrst-{}", std::process::id()));
            fs::write(&probe, "")
                .and_then(|()| fs::remove_file(&probe))
                .with_context(|| format!("cannot write to {} {hint}", directory.display()))?;
        }
        Ok(())
    }
}

/// Dropping rights.
pub(super) struct Privileges;

impl Privileges {
    /// Drops all that can be dropped, or fails.
    pub(super) fn drop(args: &LiveArgs) -> anyhow::Result<()> {
        let writes = Writes::of(args);
        let verbose = args.screen.verbosity() == Verbosity::Verbose;
        if geteuid().is_root() {
            let user = target(args)?;
            writes.create(user.as_ref().filter(|user| !user.uid.is_root()))?;
            match &user {
                Some(user) if !user.uid.is_root() => become_user(user)?,
                _ => {}
            }
            clear_capabilities()?;
            if verbose {
                let name = user.map_or_else(|| "root".to_owned(), |user| user.name);
                screen::complain(&format!("running as {name}, without capabilities"));
            }
        } else {
            writes.create(None)?;
            clear_capabilities()?;
            if verbose {
                screen::complain("running without capabilities");
            }
        }
        writes.check()?;
        let sandbox = if args.read.is_none() {
            confine(&writes)
        } else {
            "not needed".to_owned()
        };
        if verbose {
            screen::complain(&format!("Landlock: {sandbox}"));
        }
        Ok(())
    }
}

/// `-Z`, the user of sudo, or nobody.
fn target(args: &LiveArgs) -> anyhow::Result<Option<User>> {
    if let Some(name) = &args.user {
        return match User::from_name(name) {
            Ok(Some(user)) => Ok(Some(user)),
            Ok(None) => bail!("-Z: there is no user {name}"),
            Err(error) => Err(error).with_context(|| format!("-Z {name}")),
        };
    }
    let sudo_user = std::env::var("SUDO_UID")
        .ok()
        .and_then(|text| text.parse().ok())
        .and_then(|uid| User::from_uid(Uid::from_raw(uid)).ok().flatten())
        .filter(|user| !user.uid.is_root());
    let nobody = || User::from_name("nobody").ok().flatten();
    match sudo_user.or_else(nobody) {
        Some(user) => Ok(Some(user)),
        // A container without /etc/passwd.
        None => Ok(Some(User {
            name: "nobody".to_owned(),
            uid: Uid::from_raw(65_534),
            gid: Gid::from_raw(65_534),
            ..root_like()
        })),
    }
}

fn root_like() -> User {
    User {
        name: String::new(),
        passwd: std::ffi::CString::default(),
        uid: Uid::from_raw(0),
        gid: Gid::from_raw(0),
        gecos: std::ffi::CString::default(),
        dir: PathBuf::from("/"),
        shell: PathBuf::new(),
    }
}

fn become_user(user: &User) -> anyhow::Result<()> {
    let doing = || {
        format!(
            "cannot become {} (that takes CAP_SETUID and CAP_SETGID; -Z root stays root without capabilities)",
            user.name
        )
    };
    setgroups(&[user.gid]).with_context(doing)?;
    setresgid(user.gid, user.gid, user.gid).with_context(doing)?;
    setresuid(user.uid, user.uid, user.uid).with_context(doing)?;
    if setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok() {
        bail!("{}: root could be had again", doing());
    }
    Ok(())
}

fn clear_capabilities() -> anyhow::Result<()> {
    for set in [CapSet::Effective, CapSet::Permitted, CapSet::Inheritable] {
        caps::clear(None, set).context("cannot drop capabilities")?;
    }
    // Kernels before 4.3 have none.
    let _ = caps::clear(None, CapSet::Ambient);
    Ok(())
}

/// The helper keeps what it needs to see which process holds a socket. Best effort: less is seen otherwise.
pub(super) fn keep_only_sight() {
    let sight: CapsHashSet = [Capability::CAP_SYS_PTRACE, Capability::CAP_DAC_READ_SEARCH]
        .into_iter()
        .filter(|&capability| caps::has_cap(None, CapSet::Permitted, capability).unwrap_or(false))
        .collect();
    for set in [CapSet::Effective, CapSet::Permitted] {
        let _ = caps::set(None, set, &sight);
    }
    let _ = caps::clear(None, CapSet::Inheritable);
}

/// Best effort: an old kernel has none, and that is said.
fn confine(writes: &Writes) -> String {
    match try_confine(writes) {
        Ok(RulesetStatus::FullyEnforced) => "enforced".to_owned(),
        Ok(RulesetStatus::PartiallyEnforced) => "enforced in part (older kernel)".to_owned(),
        Ok(RulesetStatus::NotEnforced) => "this kernel has none".to_owned(),
        Err(error) => format!("not enforced: {error:#}"),
    }
}

fn try_confine(writes: &Writes) -> anyhow::Result<RulesetStatus> {
    const NEWEST: ABI = ABI::V5;
    let mut rules = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))?
        // Nothing is bound or connected any more: the port of the metrics is open.
        .handle_access(AccessNet::from_all(NEWEST))?
        .create()?;
    // This process' memory, drops by interfaces, the time zone.
    for readable in ["/proc", "/sys", "/etc", "/usr/share"] {
        if let Ok(path) = PathFd::new(readable) {
            rules = rules.add_rule(PathBeneath::new(path, AccessFs::from_read(NEWEST)))?;
        }
    }
    for directory in &writes.directories {
        let path = PathFd::new(directory)?;
        rules = rules.add_rule(PathBeneath::new(path, AccessFs::from_all(NEWEST)))?;
    }
    for file in &writes.files {
        let path = PathFd::new(file)?;
        let access = AccessFs::from_file(NEWEST) & !AccessFs::Execute;
        rules = rules.add_rule(PathBeneath::new(path, access))?;
    }
    Ok(rules.restrict_self()?.ruleset)
}
