//! What operators are told of a budget.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use super::{Budget, Holding, Ledger};

impl Budget {
    /// Adds who holds what, and what was refused, to `registry`.
    pub fn register(&self, registry: &mut Registry) {
        registry.register_collector(Box::new(Account(Arc::clone(&self.0))));
    }
}

/// Read where it is kept, when somebody asks.
struct Account(Arc<Ledger>);

impl Account {
    fn held_for(&self, holding: Holding) -> usize {
        let of = |holding: Holding| self.0.kinds[holding as usize].load(Ordering::Relaxed);
        match holding {
            Holding::Broadcast => {
                let others: usize = Holding::ALL.into_iter().map(of).sum();
                let held = self.0.held.load(Ordering::Relaxed);
                held.saturating_sub(others)
            }
            holding => of(holding),
        }
    }
}

impl Collector for Account {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let bytes = |bytes: usize| i64::try_from(bytes).unwrap_or(i64::MAX);
        let mut held = encoder.encode_descriptor(
            "memory_held_bytes",
            "Memory of the budget that is held for peers",
            None,
            MetricType::Gauge,
        )?;
        for holding in Holding::ALL {
            let labels = [("kind", holding.label())];
            let family = held.encode_family(&labels)?;
            ConstGauge::new(bytes(self.held_for(holding))).encode(family)?;
        }
        let budget = encoder.encode_descriptor(
            "memory_budget_bytes",
            "Memory that may be held for peers",
            None,
            MetricType::Gauge,
        )?;
        ConstGauge::new(bytes(self.0.limit)).encode(budget)?;
        let mut refused = encoder.encode_descriptor(
            "memory_refused",
            "Requests for memory that was not there",
            None,
            MetricType::Counter,
        )?;
        for (holding, counter) in Holding::ALL.into_iter().zip(&self.0.refused) {
            let labels = [("kind", holding.label())];
            let family = refused.encode_family(&labels)?;
            ConstCounter::new(count(counter)).encode(family)?;
        }
        let let_go = encoder.encode_descriptor(
            "memory_let_go",
            "Connections ended because they held the most",
            None,
            MetricType::Counter,
        )?;
        ConstCounter::new(count(&self.0.let_go)).encode(let_go)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account")
    }
}
