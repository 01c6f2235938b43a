use super::*;

const MIB: usize = 1024 * 1024;

fn client(last: u8) -> Address {
    Address::of(IpAddr::from([203, 0, 113, last]))
}

#[test]
fn what_is_reserved_is_given_back() {
    let budget = Budget::new(8 * MIB, 2 * MIB);
    let first = budget.reserve(Holding::Body, client(1), MIB).unwrap();
    let second = budget.reserve(Holding::Params, client(1), MIB).unwrap();
    assert_eq!(budget.held(), 2 * MIB);
    let third = budget.reserve(Holding::Params, client(1), 1);
    assert_eq!(third.unwrap_err(), OverBudget);
    assert_eq!(budget.take_exhausted(), (false, vec![client(1)]));
    drop(first);
    let mut third = budget.reserve(Holding::Params, client(1), MIB).unwrap();
    assert!(third.grow(1).is_err());
    drop((second, third));
    assert_eq!(budget.held(), 0);
    assert!(
        budget
            .0
            .addresses
            .iter()
            .all(|shard| shard.lock().is_empty())
    );
}

#[test]
fn the_budget_is_one_for_all_addresses() {
    let budget = Budget::new(4 * MIB, 2 * MIB);
    let take = |last| budget.reserve(Holding::Body, client(last), 2 * MIB);
    let held = [take(1).unwrap(), take(2).unwrap()];
    assert!(take(3).is_err());
    assert_eq!(budget.take_exhausted(), (true, vec![]));
    assert_eq!(budget.take_exhausted(), (false, vec![]));
    // A little more is there for what cannot be refused, and what is there already is counted in any case.
    let mut urgent = budget.nothing(Holding::Outbox, client(3));
    assert!(urgent.grow_urgently(MIB / 4).is_ok());
    assert!(urgent.grow_urgently(1).is_err());
    let shared = budget.share_out(Bytes::from(vec![0; MIB]));
    assert_eq!(budget.held(), 5 * MIB + MIB / 4);
    assert!(budget.is_tight(None, 0) && budget.is_tight(Some(client(1)), 0));
    let clones = [shared.clone(), shared.slice(10..20)];
    drop((shared, held, urgent));
    assert_eq!(
        budget.held(),
        MIB,
        "the shared bytes count once, and until the last"
    );
    drop(clones);
    assert_eq!(budget.held(), 0);
}

#[test]
fn holders_take_steps_beyond_what_is_free() {
    assert_eq!(missing(FREE, 0), 0);
    assert_eq!(missing(FREE + 1, 0), STEP);
    assert_eq!(missing(FREE + STEP, STEP), 0);
    assert_eq!(missing(FREE + STEP + 1, STEP), STEP);
    assert_eq!(missing(FREE + 3 * STEP, 0), 3 * STEP);
    let budget = Budget::new(MIB, 0);
    let mut reservation = budget.nothing(Holding::Message, Address::NOBODY);
    reservation.cover(FREE + 1).unwrap();
    reservation.cover(FREE + STEP).unwrap();
    assert_eq!((reservation.bytes(), budget.held()), (STEP, STEP));
    reservation.shrink(usize::MAX);
    assert_eq!(budget.held(), 0);
}

#[test]
fn neighbours_share_and_this_machine_does_not() {
    let of = |ip: &str| Address::of(ip.parse().unwrap());
    assert_eq!(of("2001:db8::1"), of("2001:db8::2:3"));
    assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
    assert_eq!(of("::ffff:203.0.113.1"), client(1));
    assert_ne!(client(1), client(2));
    for own in ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0"] {
        assert_eq!(of(own), Address::NOBODY, "{own}");
    }
    let budget = Budget::new(MIB, MIB / 16);
    assert!(budget.reserve(Holding::Body, of("127.0.0.1"), MIB).is_ok());
}

#[test]
fn shares_that_nobody_chose_have_room_for_a_message() {
    for (limit, share, expected) in [
        (1024 * MIB, 0, 64 * MIB),
        (64 * MIB, 0, 16 * MIB),
        (16 * MIB, 0, 8 * MIB),
        (64 * MIB, 4 * MIB, 4 * MIB),
        (64 * MIB, 128 * MIB, 64 * MIB),
    ] {
        assert_eq!(Budget::new(limit, share).share(), expected);
    }
    assert_eq!(Budget::new(0, 0).limit(), available_memory() / 4);
}

#[test]
fn operators_are_told_who_holds_what() {
    let budget = Budget::new(4 * MIB, 2 * MIB);
    let mut registry = prometheus_client::registry::Registry::with_prefix("stellar");
    budget.register(&mut registry);
    let _body = budget.reserve(Holding::Body, client(1), 5000).unwrap();
    let _shared = budget.share_out(Bytes::from_static(b"hello"));
    let _refused = budget.reserve(Holding::Params, client(1), 3 * MIB);
    budget.count_let_go();
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
    for line in [
        "# TYPE stellar_memory_held_bytes gauge",
        "stellar_memory_held_bytes{kind=\"body\"} 5000",
        "stellar_memory_held_bytes{kind=\"broadcast\"} 5",
        "stellar_memory_held_bytes{kind=\"outbox\"} 0",
        "stellar_memory_budget_bytes 4194304",
        "stellar_memory_refused_total{kind=\"params\"} 1",
        "stellar_memory_let_go_total 1",
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in:\n{text}");
    }
}
