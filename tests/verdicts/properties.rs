//! What must not change a verdict: when it happened, how the numbers began, who talked to whom, packets seen twice or out of order,
//! and what strangers did at the same time.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use whyrst::report::Finding;
use whyrst::testing::{Ladder, Trace};
use whyrst::verdict::ResetSender;
use whyrst::{Interval, Timestamp};

use crate::every_ladder;

/// What a verdict says, without numbers of frames and without how sure it is.
fn gist(findings: &[Finding]) -> Vec<String> {
    let mut gist: Vec<String> = findings
        .iter()
        .map(|finding| {
            format!(
                "{} by {:?}, {}, {}",
                finding.cause, finding.sender, finding.harm, finding.idle.kind
            )
        })
        .collect();
    gist.sort();
    gist
}

/// Holds every ladder against what became of it.
fn unchanged(change: impl Fn(&Ladder) -> Trace) -> Result<(), TestCaseError> {
    for (name, ladder) in every_ladder() {
        let (before, after) = (gist(&ladder.findings()), gist(&change(&ladder).findings()));
        prop_assert_eq!(before, after, "{}", name);
    }
    Ok(())
}

/// The RST (or FIN) leaves within a millisecond of some packet before it, and may be captured before that one.
fn ends_at_once(ladder: &Ladder) -> bool {
    let trace = ladder.trace();
    ladder.findings().iter().any(|finding| {
        (1..).zip(&trace.frames).any(|(number, frame)| {
            let before = finding.at - frame.time;
            number != finding.frame && before >= Interval::ZERO && before < Interval::from_millis(1)
        })
    })
}

fn out_of_order(micros: &[i64], which: impl Fn(&Ladder) -> bool) -> Result<(), TestCaseError> {
    for (name, ladder) in every_ladder() {
        if which(&ladder) {
            let jittered = ladder.trace().jittered(micros);
            prop_assert_eq!(
                gist(&ladder.findings()),
                gist(&jittered.findings()),
                "{}",
                name
            );
        }
    }
    Ok(())
}

fn hosts(ladder: &Ladder, numbers: (u32, u32)) -> (IpAddr, IpAddr) {
    let (client, server) = (numbers.0 | 1, numbers.1 & !1);
    if ladder.is_ipv6() {
        let host =
            |number: u32| IpAddr::V6(Ipv6Addr::from(u128::from(number) | (0x2001_u128 << 112)));
        (host(client), host(server))
    } else {
        let host = |number: u32| IpAddr::V4(Ipv4Addr::from((10 << 24) | (number & 0xff_ffff)));
        (host(client), host(server))
    }
}

/// Somebody else's connections: one that ends well, one that is refused, one that is reset.
fn strangers(begun: Timestamp) -> Trace {
    let stranger = |port| {
        Ladder::to(8443)
            .between(
                IpAddr::V4(Ipv4Addr::new(172, 16, 9, 9)),
                IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7)),
            )
            .from_port(port)
            .begun(begun)
    };
    let well = stranger(50_001)
        .handshake(0)
        .client(30, "P.")
        .payload("hello")
        .server(55, "P.")
        .payload("you too")
        .client(60, "F.")
        .server(80, "F.")
        .client(80.1, ".");
    let refused = stranger(50_002).client(7, "S").server(27, "R.");
    let reset = stranger(50_003)
        .handshake(11)
        .client(40, "P.")
        .payload("hello")
        .server(60, ".")
        .server(1500, "R.");
    well.trace().with(&refused.trace()).with(&reset.trace())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, rng_seed: RngSeed::Fixed(7), ..ProptestConfig::default() })]

    #[test]
    fn time(seconds in 0_i64..4_000_000_000, nanos in 0_u32..1_000_000_000) {
        unchanged(|ladder| ladder.clone().begun(Timestamp::from_parts(seconds, nanos)).trace())?;
    }

    #[test]
    fn sequence_numbers(client: u32, server: u32) {
        unchanged(|ladder| ladder.clone().numbered_from(client, server).trace())?;
    }

    #[test]
    fn sequence_numbers_that_wrap(client in 0_u32..4000, server in 0_u32..4000) {
        unchanged(|ladder| {
            ladder.clone().numbered_from(client.wrapping_neg(), server.wrapping_neg()).trace()
        })?;
    }

    #[test]
    fn addresses(numbers: (u32, u32), port in 32_768_u16..61_000) {
        unchanged(|ladder| {
            let (client, server) = hosts(ladder, numbers);
            ladder.clone().between(client, server).from_port(port).trace()
        })?;
    }

    #[test]
    fn packets_seen_twice(micros in 1_i64..900) {
        unchanged(|ladder| ladder.trace().seen_twice(micros))?;
    }

    #[test]
    fn packets_out_of_order(micros in prop::collection::vec(0_i64..700, 64)) {
        out_of_order(&micros, |ladder| !ends_at_once(ladder))?;
    }

    #[test]
    fn resets_before_what_they_follow(micros in prop::collection::vec(0_i64..700, 64)) {
        out_of_order(&micros, ends_at_once)?;
    }

    #[test]
    fn unrelated_connections(later in -2000_i64..10_000) {
        let begun = Timestamp::from_parts(1_700_000_000, 0) + Interval::from_millis(later);
        let others = strangers(begun);
        let more = gist(&others.findings());
        for (name, ladder) in every_ladder() {
            let mut expected = [gist(&ladder.findings()), more.clone()].concat();
            expected.sort();
            prop_assert_eq!(expected, gist(&ladder.trace().with(&others).findings()), "{}", name);
        }
    }
}

/// What a box makes is not seen on the whole way: ladders with such packets say nothing of the other end.
fn is_of_hosts_alone(name: &str, ladder: &Ladder) -> bool {
    let boxes = crate::boxes::all();
    let findings = ladder.findings();
    let is_box = |finding: &Finding| finding.sender == Some(ResetSender::Middlebox);
    !ladder.is_ipv6()
        && boxes.iter().all(|(other, _)| *other != name)
        && !findings.iter().any(is_box)
}

/// On every interface of a host that translates addresses: one connection each, however it ends. Where the numbers of both ends were not
/// captured, it can't be known.
#[test]
fn translated_connections_are_told_once() {
    let mut once = 0;
    for (name, ladder) in every_ladder() {
        let (client, container) = match ladder.is_ipv6() {
            true => ("2001:db8::5", "2001:db8:1::2"),
            false => ("10.0.0.5", "172.17.0.2"),
        };
        let inside = ladder
            .clone()
            .between(client.parse().unwrap(), container.parse().unwrap());
        let outside = ladder.trace().cooked();
        let both = ladder
            .trace()
            .with(&inside.trace().jittered(&[30]))
            .cooked();
        let (one, both) = (gist(&outside.findings()), gist(&both.findings()));
        if one == both {
            once += 1;
            continue;
        }
        let twice: Vec<_> = one
            .iter()
            .flat_map(|told| [told.clone(), told.clone()])
            .collect();
        assert_eq!(both, twice, "{name}");
    }
    assert!(once > 120, "{once}");
}

/// On the loopback interface of a host that leads clients elsewhere than they call: as if they had called there. Where the first words of both
/// were not captured, nobody can know.
#[test]
fn redirected_connections_are_one() {
    let mut one = 0;
    for (name, ladder) in every_ladder() {
        if !is_of_hosts_alone(name, &ladder) {
            continue;
        }
        let reached = ladder.clone().between(
            Ipv4Addr::new(10, 0, 0, 5).into(),
            Ipv4Addr::LOCALHOST.into(),
        );
        let led = reached.trace().answered_by(&ladder.trace());
        let (straight, led) = (reached.findings(), led.findings());
        if led
            .iter()
            .all(|finding| finding.connection.called.is_some())
        {
            one += 1;
            assert_eq!(gist(&straight), gist(&led), "{name}");
        }
    }
    assert!(one > 100, "{one}");
}

/// The client's capture and the server's, whose clock is wrong by some milliseconds.
#[test]
fn captures_of_both_ends_tell_what_one_tells() {
    for (name, ladder) in every_ladder() {
        if !is_of_hosts_alone(name, &ladder) {
            continue;
        }
        let here = ladder.trace();
        for wrong in [-3_000, -40, 0, 40, 3_000] {
            let there = here.at_server(9).jittered(&[wrong * 1_000]);
            let both = here.clone().with(&there);
            let (one, two) = (gist(&here.findings()), gist(&both.findings()));
            assert_eq!(one, two, "{name}, {wrong} ms");
            let packets = |trace: &Trace| -> u64 {
                let findings = trace.findings();
                findings.iter().map(|finding| finding.packets).sum()
            };
            // A RST alone that nothing numbers is known again within a second.
            if wrong.abs() < 1_000 {
                assert_eq!(packets(&here), packets(&both), "{name}, {wrong} ms");
            }
        }
    }
}
