//! What the kernel's tracefs shows, wherever it is mounted or not: as whyrst does, each question mounts it for its own process.

use std::process::Command;

use super::net::skip;

/// What a shell says in tracefs; nothing without the rights to mount it.
fn ask(question: &str) -> String {
    const MOUNT: &str = "cd /sys/kernel/tracing && { test -e events || { mount -t tracefs tracefs . && cd /sys/kernel/tracing; }; }";
    let script = format!("{MOUNT} && {question}");
    let mut unshare = Command::new("unshare");
    let output = unshare.args(["--mount", "sh", "-c", &script]).output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).into_owned(),
    )
}

/// This kernel says why it sends a RST, and may be asked.
pub fn kernel_speaks() -> bool {
    let speaks = ask("cat events/tcp/tcp_send_reset/format").contains("reason");
    if !speaks {
        skip("the kernel's word: tracefs can't be mounted, or the kernel is older than 6.10");
    }
    speaks
}

/// Of these instances of a tracer, the ones that there are.
fn existing(mut instances: Vec<String>) -> Vec<String> {
    let there = ask("ls instances");
    instances.retain(|instance| there.lines().any(|name| name == instance));
    instances
}

/// The instances of a run's helper.
pub fn instances_of(pid: u32) -> Vec<String> {
    let children = format!("/proc/{pid}/task/{pid}/children");
    let children = std::fs::read_to_string(children).unwrap_or_default();
    let names = children.split_whitespace();
    existing(names.map(|child| format!("whyrst-{child}")).collect())
}

/// None of them is left.
pub fn are_gone(instances: &[String]) -> bool {
    existing(instances.to_vec()).is_empty()
}
