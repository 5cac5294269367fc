//! Every order of steps: each racer goes on when the test says so, at every call through a door.
//!
//! A step is one poll of a racer or one command of the lane. The orders are walked through depth first, by
//! running each race from its beginning; where there are too many, the rest is drawn by lot.

use std::sync::Arc;
use std::task::Poll;

use drystone_core::data::memory::MemoryData;
use drystone_sim::effort;
use drystone_sim::hesitant::{HesitantData, HesitantMeta, Pause};
use drystone_sim::task::Task;

use crate::races::arena::{Arena, Drive, Outcome};
use crate::races::scenarios;

/// Runs the lane behind a future.
struct Stepping(Arc<HesitantMeta>);

impl Drive for Stepping {
    fn drive<T>(&self, future: impl Future<Output = T>) -> T {
        let mut task = Task::new(future);
        loop {
            if !task.is_woken() {
                assert!(self.0.run_one(), "somebody waits for ever");
            } else if let Poll::Ready(outcome) = task.poll() {
                return outcome;
            }
        }
    }
}

/// Chooses at every step, one order after the other.
#[derive(Default)]
struct Orders {
    /// What was chosen, and of how many.
    path: Vec<(usize, usize)>,
    at: usize,
    /// Draws instead of walking on.
    lot: Option<u64>,
}

impl Orders {
    fn choose(&mut self, of: usize) -> usize {
        if let Some(lot) = &mut self.lot {
            *lot ^= *lot << 13;
            *lot ^= *lot >> 7;
            *lot ^= *lot << 17;
            return (*lot % of as u64) as usize;
        }
        if self.at == self.path.len() {
            self.path.push((0, of));
        }
        self.at += 1;
        self.path[self.at - 1].0
    }

    /// Goes to the next order; `false` when there is none.
    fn next(&mut self) -> bool {
        self.at = 0;
        while let Some((chosen, of)) = self.path.pop() {
            if chosen + 1 < of {
                self.path.push((chosen + 1, of));
                return true;
            }
        }
        false
    }
}

/// Runs one race of the scenario in the order that `orders` chooses.
fn race(scenario: usize, pause: Pause, orders: &mut Orders) {
    let meta = HesitantMeta::new();
    let data = HesitantData::new(MemoryData::new(1 << 30), pause);
    let mut arena = Arena::new(Stepping(Arc::clone(&meta)), Arc::clone(&meta) as Arc<_>, data);
    let upload = arena.prepare();
    let (name, racers) = scenarios::all(upload).swap_remove(scenario);
    let (runners, known) = arena.start(&racers).split();
    let mut tasks: Vec<_> =
        runners.into_iter().map(|runner| Task::new(runner.run(Arc::clone(&arena.store)))).collect();
    let mut outcomes: Vec<Option<Outcome>> = tasks.iter().map(|_| None).collect();
    while outcomes.iter().any(Option::is_none) {
        let ready: Vec<usize> =
            (0..tasks.len()).filter(|at| outcomes[*at].is_none() && tasks[*at].is_woken()).collect();
        let lane = usize::from(meta.waiting() > 0);
        assert!(ready.len() + lane > 0, "{name}: everybody waits for ever");
        let chosen = orders.choose(ready.len() + lane);
        match ready.get(chosen) {
            Some(at) => {
                if let Poll::Ready(outcome) = tasks[*at].poll() {
                    outcomes[*at] = Some(outcome);
                }
            }
            None => drop(meta.run_one()),
        }
    }
    drop(tasks);
    let outcomes: Vec<Outcome> = outcomes.into_iter().flatten().collect();
    arena.judge(name, &known, &outcomes);
    arena.verify(name);
}

#[test]
fn in_every_order_of_steps_one_order_of_requests_explains_everything() {
    let most = effort::of(400, 20_000);
    let (mut races, mut whole) = (0, 0);
    let scenarios = scenarios::all(0).len();
    for scenario in 0..scenarios {
        for pause in [Pause::BeforeWork, Pause::AfterWork] {
            let mut orders = Orders::default();
            let mut walked = 0;
            let complete = loop {
                race(scenario, pause, &mut orders);
                walked += 1;
                if !orders.next() {
                    break true;
                }
                if walked >= most {
                    break false;
                }
            };
            if !complete {
                orders = Orders { lot: Some(effort::seed() | 1), ..Orders::default() };
                for _ in 0..most {
                    race(scenario, pause, &mut orders);
                }
                walked += most;
            }
            races += walked;
            whole += u64::from(complete);
        }
    }
    println!(
        "ordered: {races} races in {scenarios} scenarios, {whole} of {} walked through whole",
        2 * scenarios
    );
    assert!(races > 10 * scenarios as u64, "every scenario has orders");
}
