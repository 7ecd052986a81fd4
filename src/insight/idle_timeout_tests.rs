use std::borrow::Cow;

use super::*;
use crate::capture::FrameId;
use crate::dialogue::{Hints, Protocol};
use crate::insight::IdleSurvival;
use crate::time::Timestamp;
use proptest::prelude::*;

fn at(seconds: f64) -> Timestamp {
    Timestamp::default() + Interval::from_secs_f64(seconds)
}

/// A connection that spoke, survived some silences and was closed by the server after `idle`, `opened` seconds into the capture.
fn closed(opened: f64, idle: f64, survived: &[f64]) -> IdleObservation<'static> {
    let busy: f64 = survived.iter().sum();
    IdleObservation {
        stream: 0,
        client: "10.0.0.1".parse().unwrap(),
        client_port: 40000,
        server: "10.0.0.5:3000".parse().unwrap(),
        opened: at(opened),
        last: at(opened + busy + idle),
        handshake_seen: true,
        round_trip: Some(Interval::from_millis(2)),
        requests: survived.len() as u64 + 1,
        survived: survived
            .iter()
            .map(|silence| IdleSurvival {
                application: Interval::from_secs_f64(*silence),
                data: Interval::from_secs_f64(*silence),
                wire: Interval::from_secs_f64(*silence),
                resumed_by: Peer::Client,
                frame: FrameId::default(),
                kind: IdleKind::BetweenRequests,
            })
            .collect(),
        end: Some(IdleEnd {
            by: Some(Peer::Server),
            how: IdleEndBy::Fin,
            at: at(opened + busy + idle),
            frame: FrameId::default(),
            application: Interval::from_secs_f64(idle),
            data: Interval::from_secs_f64(idle),
            wire: Interval::from_secs_f64(idle),
            awaiting_response: false,
            prompted: false,
            cause: None,
            doubtful: false,
        }),
        open_idle: None,
        protocol: Protocol::Http1,
        hints: Cow::Owned(Hints::default()),
    }
}

fn gathered<'a>(observations: impl IntoIterator<Item = &'a IdleObservation<'a>>) -> Silences {
    let mut silences = Silences::default();
    for (index, observation) in observations.into_iter().enumerate() {
        silences.add(index, observation);
    }
    silences
}

fn server_timer(observations: &[IdleObservation]) -> IdleTimeout {
    infer(&gathered(observations), Knowledge::BuiltIn)
        .into_iter()
        .find(|timeout| timeout.role == "server")
        .expect("the server was seen to close")
}

#[test]
fn closes_at_one_silence_are_a_timer_and_survivors_bound_it_below() {
    let observations: Vec<_> = (0..8)
        .map(|n| closed(f64::from(n) * 3.1, 6.0 + f64::from(n) * 0.001, &[1.0, 5.9]))
        .collect();
    let timer = server_timer(&observations);
    assert!((timer.estimate_s.unwrap() - 6.0035).abs() < 0.001);
    assert!(timer.lower_s.unwrap() >= 5.9 && timer.upper_s.unwrap() < 6.008);
    assert_eq!(timer.survived_longest_s, Some(5.9));
    assert_eq!((timer.closes, timer.confidence), (8, Confidence::Certain));
    assert_eq!(
        timer.text,
        "10.0.0.5:3000 closes idle connections after 6.00 s, by FIN; 8 closes within 7 ms; longest survivor 5.90 s"
    );
}

#[test]
fn one_close_says_that_it_is_one() {
    let timer = server_timer(&[closed(0.0, 5.0, &[])]);
    assert_eq!(timer.confidence, Confidence::Possible);
    assert!(timer.text.contains("one close only"));
}

#[test]
fn a_restart_is_no_timer() {
    // Opened at different times, closed at one moment.
    let observations: Vec<_> = [9.0, 7.5, 6.1, 3.0, 1.2]
        .iter()
        .map(|idle| closed(10.0 - idle, *idle, &[]))
        .collect();
    let timer = server_timer(&observations);
    assert_eq!(timer.no_timer.as_deref(), Some("restart"));
    assert_eq!(timer.estimate_s, None);
}

#[test]
fn one_close_among_cuts_is_no_timer() {
    let mut cut = closed(2.0, 3.05, &[]);
    let end = cut.end.as_mut().unwrap();
    end.awaiting_response = true;
    end.cause = Some(Cause::HangUp);
    let idle = closed(0.0, 5.0, &[]);
    let timer = server_timer(&[idle.clone(), cut.clone()]);
    assert_eq!(timer.no_timer.as_deref(), Some("restart"));
    assert_eq!(timer.estimate_s, None);

    cut.end.as_mut().unwrap().at = at(9.0);
    let timer = server_timer(&[idle.clone(), cut.clone()]);
    assert_eq!(timer.estimate_s, Some(5.0), "at another moment");

    let mut other = idle.clone();
    let others = [0.0, 20.0, 40.0].map(|opened| closed(opened, 5.0, &[]));
    other.end = cut.end;
    let timer = server_timer(&[&others[..], &[other]].concat());
    assert_eq!(
        timer.estimate_s,
        Some(5.0),
        "many closes speak for themselves"
    );
}

#[test]
fn one_close_long_before_what_is_announced_is_no_timer() {
    let announcing = |seconds| {
        let mut observation = closed(0.0, 1.466, &[]);
        observation.hints.to_mut().keep_alive_timeout_s = Some(seconds);
        server_timer(&[observation])
    };
    let timer = announcing(65);
    assert_eq!(timer.no_timer.as_deref(), Some("irregular"));
    assert!(
        timer
            .text
            .ends_with("it announces 65.00 s, so something else closed so early"),
        "{}",
        timer.text
    );
    assert_eq!(announcing(1).estimate_s, Some(1.466));
}

#[test]
fn an_exit_after_a_burst_is_no_timer() {
    // Last used within 50 ms, closed at one moment.
    let observations: Vec<_> = [200, 210, 225, 240, 250]
        .iter()
        .map(|millis| f64::from(*millis) / 1e3)
        .map(|idle| closed(10.0 - idle, idle, &[]))
        .collect();
    let timer = server_timer(&observations);
    assert_eq!(timer.no_timer.as_deref(), Some("restart"));
}

/// Probes come at even times after the last exchange: from the last one of them to a FIN it is as regular as any timer.
#[test]
fn keepalive_probes_are_not_heard_by_who_closes_a_socket() {
    let observations: Vec<_> = (0..12)
        .map(|n| {
            let idle = if n % 3 == 0 { 1.0 + f64::from(n) } else { 4.0 };
            let mut observation = closed(f64::from(n) * 3.1, idle, &[]);
            if let Some(end) = &mut observation.end {
                end.wire = Interval::from_secs_f64(0.727);
            }
            observation
        })
        .collect();
    let timer = server_timer(&observations);
    assert_eq!(timer.clock, "application");
    assert!((timer.estimate_s.unwrap() - 4.0).abs() < 0.01);
}

#[test]
fn an_exit_does_not_hide_the_timer_before_it() {
    let timed = (0..4).map(|n| closed(f64::from(n) * 0.1, 4.0 + f64::from(n) * 0.002, &[]));
    let left = [0.3, 0.7, 1.2, 1.9, 2.4].map(|idle| closed(8.0 - idle, idle, &[]));
    let observations: Vec<_> = timed.chain(left).collect();
    let timer = server_timer(&observations);
    assert!((timer.estimate_s.unwrap() - 4.003).abs() < 0.001);
    assert_eq!(timer.closes, 4);
    assert!(
        timer.text.contains("5 more came at one moment"),
        "{}",
        timer.text
    );
}

/// Opened at one time, four connections are left at one time, too.
#[test]
fn timers_that_ran_out_together_are_no_exit() {
    let timed = (0..4).map(|n| closed(f64::from(n) * 0.01, 4.0 + f64::from(n) * 0.002, &[]));
    let left = [0.3, 0.7, 1.2, 1.9].map(|idle| closed(8.0 - idle, idle, &[]));
    let observations: Vec<_> = timed.chain(left).collect();
    let timer = server_timer(&observations);
    assert!((timer.estimate_s.unwrap() - 4.003).abs() < 0.001);
    assert!(
        timer.text.contains("4 more came at one moment"),
        "{}",
        timer.text
    );
}

#[test]
fn keepalive_probes_do_not_reset_the_timer_of_a_socket() {
    // A probe a second: the wire is never silent for long, and by chance more regular than the application.
    let observations: Vec<_> = (0..6)
        .map(|n| {
            let mut observation = closed(f64::from(n), 4.0 + f64::from(n) * 0.008, &[]);
            observation.end.as_mut().unwrap().wire = Interval::from_millis(750);
            observation
        })
        .collect();
    let timer = server_timer(&observations);
    assert_eq!(timer.clock, "application");
    assert!(timer.estimate_s.unwrap() > 4.0);
}

/// Each pinged until it fell silent, at another time after its last words.
#[test]
fn pings_reset_the_timer_of_a_proxy() {
    let mut observations: Vec<_> = (0..6)
        .map(|n| {
            let mut observation = closed(f64::from(n), 4.0 + f64::from(n), &[9.5]);
            let survival = &mut observation.survived[0];
            (survival.data, survival.wire) = (Interval::from_millis(900), Interval::from_millis(5));
            let end = observation.end.as_mut().unwrap();
            (end.data, end.wire) = (
                Interval::from_millis(3_000 + i64::from(n)),
                Interval::from_millis(750),
            );
            observation
        })
        .collect();
    let timer = server_timer(&observations);
    assert_eq!((timer.clock.as_str(), timer.closes), ("data", 6));
    assert!((timer.estimate_s.unwrap() - 3.0025).abs() < 0.001);
    // What comes with a FIN, a goodbye, is no silence.
    for observation in &mut observations {
        observation.end.as_mut().unwrap().data = Interval::from_millis(1);
    }
    let timer = server_timer(&observations);
    assert_eq!(timer.clock, "application");
    assert_eq!(timer.estimate_s, None);
}

#[test]
fn a_maximum_age_is_no_idle_timer() {
    let observations: Vec<_> = [2.0, 7.0, 11.0, 20.0]
        .iter()
        .enumerate()
        .map(|(n, idle)| closed(n as f64 * 40.0, *idle, &[60.0 - idle]))
        .collect();
    assert_eq!(
        server_timer(&observations).no_timer.as_deref(),
        Some("max-age")
    );
}

#[test]
fn a_maximum_number_of_requests_is_no_idle_timer() {
    // Each was closed after its fourth request, at any silence and any age.
    let observations: Vec<_> = [(1.0, 3.0), (4.0, 1.5), (9.0, 0.7), (2.2, 6.1)]
        .iter()
        .enumerate()
        .map(|(n, (idle, pause))| closed(n as f64 * 50.0, *idle, &[*pause, 0.4, *pause]))
        .collect();
    let timer = server_timer(&observations);
    assert_eq!(timer.no_timer.as_deref(), Some("max-requests"));
    assert_eq!(timer.estimate_s, None);
    assert!(
        timer.text.contains("after 4 requests each"),
        "{}",
        timer.text
    );
}

#[test]
fn silences_that_differ_too_much_are_irregular() {
    let observations: Vec<_> = [(1.0, 1), (4.0, 3), (9.0, 2)]
        .iter()
        .enumerate()
        .map(|(n, (idle, requests))| {
            closed(
                n as f64 * 50.0,
                *idle,
                &vec![f64::from(*requests); *requests as usize],
            )
        })
        .collect();
    assert_eq!(
        server_timer(&observations).no_timer.as_deref(),
        Some("irregular")
    );
}

#[test]
fn a_polled_timer_has_a_band() {
    let observations: Vec<_> = [2.1, 2.4, 2.7, 2.95, 3.05]
        .iter()
        .enumerate()
        .map(|(n, idle)| closed(n as f64 * 9.0, *idle, &[1.9]))
        .collect();
    let timer = server_timer(&observations);
    assert!((timer.estimate_s.unwrap() - 2.7).abs() < 0.01);
    assert!(timer.text.contains("about once a second"));
    assert_ne!(timer.confidence, Confidence::Certain);
}

#[test]
fn longer_survivors_contradict_a_timer() {
    let observations = [
        closed(0.0, 3.0, &[9.0]),
        closed(20.0, 3.01, &[9.0]),
        closed(40.0, 3.0, &[]),
    ];
    assert_eq!(
        server_timer(&observations).no_timer.as_deref(),
        Some("irregular")
    );
}

#[test]
fn closes_with_a_request_open_or_in_answer_to_a_fin_say_nothing() {
    let mut waiting = closed(0.0, 5.0, &[]);
    waiting.end.as_mut().unwrap().awaiting_response = true;
    let mut prompted = closed(0.0, 5.0, &[]);
    prompted.end.as_mut().unwrap().prompted = true;
    assert!(infer(&gathered([&waiting, &prompted]), Knowledge::BuiltIn).is_empty());
}

#[test]
fn silence_is_bounded_from_both_sides() {
    let lost = |idle: f64, survived: &[f64]| {
        let mut observation = closed(0.0, idle, survived);
        let end = observation.end.as_mut().unwrap();
        (end.by, end.how, end.cause) = (None, IdleEndBy::Silence, Some(Cause::IdleExpiredSilently));
        observation
    };
    let observations = [
        lost(351.0, &[340.0]),
        lost(420.0, &[]),
        lost(360.0, &[200.0]),
    ];
    let timers = infer(&gathered(&observations), Knowledge::BuiltIn);
    let path = timers.iter().find(|timer| timer.role == "path").unwrap();
    assert_eq!((path.lower_s, path.upper_s), (Some(340.0), Some(351.0)));
    assert_eq!(
        (path.closes_by.as_str(), path.clock.as_str()),
        ("silence", "wire")
    );
    assert!(
        path.matches
            .iter()
            .any(|found| found.default_s == Some(350.0))
    );
}

#[test]
fn node_is_known_by_its_second_of_grace() {
    let observations: Vec<_> = (0..6)
        .map(|n| {
            let mut observation = closed(f64::from(n) * 7.3, 6.002, &[]);
            observation.hints.to_mut().keep_alive_timeout_s = Some(5);
            observation
        })
        .collect();
    let timer = server_timer(&observations);
    assert_eq!(timer.announced_s, Some(5.0));
    assert!(
        timer
            .matches
            .iter()
            .take(3)
            .any(|found| found.id == "node-http-keepalive-6s"),
        "{:?}",
        timer.matches
    );
}

#[test]
fn a_header_that_names_another_product_counts_against() {
    let mut observations: Vec<_> = (0..6)
        .map(|n| closed(f64::from(n) * 7.3, 5.001, &[]))
        .collect();
    for observation in &mut observations {
        observation.hints.to_mut().server = Some("uvicorn".to_owned());
    }
    let timer = server_timer(&observations);
    assert!(
        timer
            .matches
            .first()
            .unwrap()
            .product
            .to_lowercase()
            .contains("uvicorn"),
        "{:?}",
        timer.matches
    );
}

proptest! {
    /// Counted from every start anew.
    #[test]
    fn the_densest_window_holds_most(values in proptest::collection::vec(0.0_f64..20.0, 0..40)) {
        let values = sorted(values.into_iter());
        let width = |low: f64| POLLED.min(low.max(0.5));
        let held = |low: &f64| values.iter().filter(|value| (*low..=low + width(*low)).contains(*value)).count();
        let found = densest(&values, width).values;
        prop_assert_eq!(found.len(), values.iter().map(held).max().unwrap_or(0));
        prop_assert_eq!(found.first().map_or(0, held), found.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Neither the order of the connections nor the hour of the day matters.
    #[test]
    fn order_and_time_of_day_change_nothing(shift in 0.0f64..100_000.0, order in Just((0usize..7).collect::<Vec<_>>()).prop_shuffle()) {
        let make = |shift: f64, n: usize| closed(shift + n as f64 * 5.3, 4.0 + n as f64 * 0.002, &[0.5, 3.0 + n as f64 * 0.1]);
        let plain: Vec<_> = (0..7).map(|n| make(0.0, n)).collect();
        let moved: Vec<_> = order.iter().map(|&n| make(shift, n)).collect();
        let (one, other) = (server_timer(&plain), server_timer(&moved));
        prop_assert_eq!(one.text, other.text);
        prop_assert_eq!(one.estimate_s, other.estimate_s);
    }
}

/// The distance between a record whose time was damaged and its neighbours.
const FIFTY_YEARS: f64 = 1_795_223_716.0;

#[test]
fn a_silence_that_no_clock_measured_makes_no_timer() {
    for damaged in [FIFTY_YEARS, 518_401.0, -3_600.0] {
        let mut one = closed(0.0, 5.0, &[]);
        let end = one.end.as_mut().unwrap();
        let damaged = Interval::from_secs_f64(damaged);
        (end.application, end.data, end.wire) = (damaged, damaged, damaged);
        assert!(infer(&gathered([&one]), Knowledge::BuiltIn).is_empty());
    }
    assert_eq!(
        server_timer(&[closed(0.0, 432_000.0, &[])]).estimate_s,
        Some(432_000.0)
    );
}

#[test]
fn among_honest_closes_a_damaged_time_changes_nothing() {
    let honest: Vec<_> = (0..6)
        .map(|n| closed(f64::from(n) * 3.1, 6.0, &[5.9]))
        .collect();
    let mut damaged = honest.clone();
    damaged.push(closed(1.0, FIFTY_YEARS, &[FIFTY_YEARS]));
    damaged.push(closed(2.0, -FIFTY_YEARS, &[-FIFTY_YEARS]));
    let (one, other) = (server_timer(&honest), server_timer(&damaged));
    assert_eq!(
        (one.estimate_s, one.closes, one.survived_longest_s),
        (other.estimate_s, other.closes, other.survived_longest_s)
    );
}

#[test]
fn a_proxy_may_hand_on_the_name_of_what_is_behind_it() {
    let fits_after = |seconds: f64, named: &str, via: Option<&str>| {
        let mut observations: Vec<_> = (0..5)
            .map(|n| closed(f64::from(n) * 3.1, seconds, &[seconds * 0.9]))
            .collect();
        for observation in &mut observations {
            observation.hints = Cow::Owned(Hints {
                server: Some(named.to_owned()),
                via: via.map(str::to_owned),
                ..Hints::default()
            });
        }
        server_timer(&observations).matches
    };
    let fits = |named: &str| fits_after(60.0, named, None);
    let matches = fits("gunicorn");
    let of = |id: &str| matches.iter().find(|found| found.id == id);
    // Its default is 2 s: set by hand, or the balancer's 60 s in front of it.
    assert!(matches[0].product.contains("gunicorn"), "{matches:?}");
    let balancer = of("aws-alb-client-idle").expect("a balancer hands on the header");
    assert!(balancer.named_by.is_empty());
    assert!(balancer.why.contains("hands that on"), "{}", balancer.why);
    // Varnish closes after 5 s as well as Apache does, and says Via.
    let second = fits_after(5.0, "Apache", None).remove(1).id;
    assert_ne!(second, "varnish-timeout-idle");
    let first = fits_after(5.0, "Apache", Some("1.1 varnish")).remove(0).id;
    assert_eq!(first, "varnish-timeout-idle");
    // What calls itself so needs no proxy.
    assert_eq!(fits("awselb/2.0")[0].product, "AWS ALB");
}

#[test]
fn in_whatever_parts_and_order_silences_are_gathered_they_tell_the_same() {
    let mut observations: Vec<_> = (0..9)
        .map(|n| closed(f64::from(n) * 3.1, 6.0 + f64::from(n) * 0.001, &[1.0, 5.9]))
        .collect();
    for (place, name) in [(2, "nginx"), (5, "Apache")] {
        observations[place].hints = Cow::Owned(Hints {
            server: Some(name.to_owned()),
            keep_alive_timeout_s: Some(place as u32),
            ..Hints::default()
        });
    }
    let known = Knowledge::BuiltIn;
    let told = |silences: &Silences| {
        let timers = infer(silences, known);
        let pairs = crate::insight::align(silences, &timers);
        (timers, pairs)
    };
    let all = told(&gathered(&observations));
    assert!(all.0[0].matches[0].why.contains("nginx"));
    for cut in 0..observations.len() {
        let mut parts = [Silences::default(), Silences::default()];
        for (index, observation) in observations.iter().enumerate() {
            parts[usize::from(index < cut)].add(index, observation);
        }
        assert_eq!(told(&Silences::of(parts)), all);
    }
}
