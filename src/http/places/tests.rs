use super::*;
use crate::config::RatesConfig;
use crate::engine::Rate;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

const OFF: VisitRates = VisitRates {
    connects: Rate::OFF,
    requests: Rate::OFF,
};

fn places(max: usize, max_per_address: usize) -> Arc<Places> {
    limited(max, max_per_address, OFF)
}

fn limited(max: usize, max_per_address: usize, rates: VisitRates) -> Arc<Places> {
    let proxies = ["10.0.0.0/8".parse().unwrap()];
    Places::new(max, max_per_address, rates, proxies.into())
}

fn open(places: &Arc<Places>, count: usize, address: &str) -> Vec<Arc<Place>> {
    (0..count)
        .map(|_| places.take(ip(address)).unwrap())
        .collect()
}

#[test]
fn an_address_has_its_share_and_a_proxy_has_more() {
    let places = places(100, 3);
    let mut mine = open(&places, 3, "192.0.2.1");
    assert_eq!(
        places.take(ip("192.0.2.1")).unwrap_err(),
        Full::Address,
        "as IPv4"
    );
    assert_eq!(
        places.take(ip("::ffff:192.0.2.1")).unwrap_err(),
        Full::Address
    );
    let _others = open(&places, 3, "192.0.2.2");
    let _network = [
        open(&places, 2, "2001:db8::1"),
        open(&places, 1, "2001:db8::2:0:0:1"),
    ];
    assert_eq!(
        places.take(ip("2001:db8::ffff")).unwrap_err(),
        Full::Address
    );
    let _next_network = open(&places, 1, "2001:db8:0:1::1");
    let _proxy = open(&places, 20, "10.1.2.3");
    mine.pop();
    assert!(places.take(ip("192.0.2.1")).is_ok());
}

#[test]
fn a_place_of_a_proxy_counts_for_the_client_of_its_last_request() {
    let places = places(100, 2);
    let proxied = open(&places, 4, "10.0.0.1");
    let client = ip("192.0.2.1");
    for place in &proxied[..2] {
        assert_eq!(place.is_for(client), Ok(()));
        assert_eq!(place.is_for(client), Ok(()));
    }
    assert_eq!(proxied[2].is_for(client), Err(Full::Address));
    assert_eq!(places.take(client).unwrap_err(), Full::Address);
    // The next request is another's, or the proxy's own.
    assert_eq!(proxied[0].is_for(ip("192.0.2.2")), Ok(()));
    assert_eq!(proxied[1].is_for(ip("10.0.0.1")), Ok(()));
    assert_eq!(proxied[2].is_for(client), Ok(()));
    assert_eq!(proxied[3].is_for(client), Ok(()));
    drop(proxied);
    assert!(places.taken.lock().by_address.is_empty());
    assert_eq!(places.taken.lock().all, 0);
}

#[test]
fn some_places_are_kept_for_questions() {
    let places = places(2, 2);
    let mut taken = open(&places, 2, "192.0.2.1");
    assert!(!taken[0].is_reserved());
    let kept = open(&places, 2, "192.0.2.1");
    assert!(kept.iter().all(|place| place.is_reserved()));
    assert_eq!(places.take(ip("192.0.2.1")).unwrap_err(), Full::All);
    let _proxy = open(&places, RESERVED - 2, "10.0.0.1");
    assert_eq!(places.take(ip("192.0.2.2")).unwrap_err(), Full::All);
    // A place that becomes free is for whoever asks first.
    assert_eq!(kept[0].is_for(ip("192.0.2.1")), Err(Full::All));
    taken.pop();
    assert_eq!(kept[0].is_for(ip("192.0.2.1")), Ok(()));
    assert!(!kept[0].is_reserved());
    assert_eq!(kept[1].is_for(ip("192.0.2.1")), Err(Full::All));
    let again = places.take(ip("192.0.2.3")).unwrap();
    assert!(again.is_reserved());
    drop((taken, kept, again));
    assert_eq!(places.taken.lock().all, 0);
    assert!(places.taken.lock().reserved_by_address.is_empty());
}

#[test]
fn an_address_comes_and_asks_as_often_as_it_may() {
    // A token comes in a quarter of an hour: no clock matters.
    let rates = VisitRates {
        connects: Rate::new(0.001, 3),
        requests: Rate::new(0.001, 5),
    };
    let places = limited(100, 100, rates);
    let mine = open(&places, 3, "2001:db8::1");
    drop(mine);
    // Whoever has gone is known when it comes back, and so is its neighbour.
    let refused = places.take(ip("2001:db8::2")).unwrap_err();
    assert!(matches!(refused, Full::Connects(after) if after > Duration::from_secs(900)));
    assert_eq!(refused.limit(), "rates.connects");
    let other = places.take(ip("2001:db8:0:1::1")).unwrap();
    for _ in 0..5 {
        assert_eq!(other.is_for(ip("2001:db8:0:1::1")), Ok(()));
    }
    let asked = other.is_for(ip("2001:db8:0:1::1")).unwrap_err();
    assert!(matches!(asked, Full::Requests(_)), "{asked:?}");
    // A proxy comes as often as it likes, and asks for each of its clients.
    let proxied = open(&places, 20, "10.0.0.1");
    for place in &proxied[..5] {
        assert_eq!(place.is_for(ip("192.0.2.1")), Ok(()));
    }
    let asked = proxied[5].is_for(ip("192.0.2.1")).unwrap_err();
    assert!(matches!(asked, Full::Requests(_)), "{asked:?}");
    assert_eq!(proxied[5].is_for(ip("192.0.2.2")), Ok(()));
    assert_eq!(proxied[6].is_for(ip("10.0.0.1")), Ok(()));
}

/// Behind one address, each with a page, three sockets and a dozen requests of its own.
#[test]
fn ten_thousand_clients_of_one_address_may_come_back_at_once() {
    const CLIENTS: usize = 10_000;
    let places = limited(100_000, 100_000, RatesConfig::default().visits());
    let client = ip("192.0.2.1");
    for _ in 0..CLIENTS {
        let sockets = [(); 3].map(|()| places.take(client).unwrap());
        for request in 0..12 {
            assert_eq!(sockets[request % 3].is_for(client), Ok(()));
        }
    }
}
