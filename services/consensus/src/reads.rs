//! ReadIndex rounds: waiting questions, the round in flight, the questions that an answer settles.
//!
//! One round in flight at a time; a question joins the next round, never a round that began before the question (R4, R5).
//! Pure: the core puts contexts into Raft and hands back the contexts that come out.

/// A question's name, given by the asker.
pub type Question = u64;

/// The bytes that name a round, unique for ever: raft-rs swallows a duplicate, and an old answer that matched a
/// restarted counter would be a stale read (architecture, raft-rs).
pub(crate) type Context = [u8; 24];

/// Longest context that a node of any release puts into Raft, bytes.
const CONTEXT_BYTES_MAX: usize = 64;

/// The node that asks under this context: its first eight bytes. None: no node's.
pub(crate) fn asked_by(context: &[u8]) -> Option<u64> {
    let (id, rest) = context.split_first_chunk()?;
    (!rest.is_empty() && context.len() <= CONTEXT_BYTES_MAX).then(|| u64::from_be_bytes(*id))
}

/// The rounds of one node.
#[derive(Debug)]
pub(crate) struct Rounds {
    id: u64,
    boot: u64,
    counter: u64,
    /// Questions of the round in flight, and the contexts of its attempts.
    asked: Vec<Question>,
    contexts: Vec<Context>,
    ticks: u32,
    /// Questions for the next round.
    waiting: Vec<Question>,
}

/// Contexts of one round that may still be answered.
const CONTEXTS_MAX: usize = 8;

impl Rounds {
    /// No questions. `boot` counts the starts of this process.
    pub(crate) fn new(id: u64, boot: u64) -> Self {
        Self { id, boot, counter: 0, asked: Vec::new(), contexts: Vec::new(), ticks: 0, waiting: Vec::new() }
    }

    /// Queues a question for the next round.
    pub(crate) fn ask(&mut self, question: Question) {
        self.waiting.push(question);
    }

    /// Whether a round should begin now.
    pub(crate) fn due(&self) -> bool {
        self.asked.is_empty() && !self.waiting.is_empty()
    }

    /// Begins a round with all waiting questions; returns the context to put into Raft.
    pub(crate) fn begin(&mut self) -> Context {
        self.asked.append(&mut self.waiting);
        self.contexts.clear();
        self.again()
    }

    /// Asks the round under way again (Raft drops questions silently).
    pub(crate) fn again(&mut self) -> Context {
        self.counter += 1;
        self.ticks = 0;
        let mut context = [0; 24];
        context[..8].copy_from_slice(&self.id.to_be_bytes());
        context[8..16].copy_from_slice(&self.boot.to_be_bytes());
        context[16..].copy_from_slice(&self.counter.to_be_bytes());
        if self.contexts.len() == CONTEXTS_MAX {
            self.contexts.remove(0);
        }
        self.contexts.push(context);
        context
    }

    /// A tick passed; whether the round should be asked again.
    pub(crate) fn tick(&mut self, ticks_max: u32) -> bool {
        if self.asked.is_empty() {
            return false;
        }
        self.ticks += 1;
        self.ticks >= ticks_max
    }

    /// Whether a round is under way.
    pub(crate) fn under_way(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The questions that a returned round settles; none: the round is another node's or an old one.
    pub(crate) fn answered(&mut self, context: &[u8]) -> Vec<Question> {
        if !self.contexts.iter().any(|known| known == context) {
            return Vec::new();
        }
        self.contexts.clear();
        std::mem::take(&mut self.asked)
    }

    /// Drops questions without a waiter.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(Question) -> bool) {
        self.asked.retain(|question| keep(*question));
        self.waiting.retain(|question| keep(*question));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_that_comes_during_a_round_waits_for_the_next() {
        let mut rounds = Rounds::new(1, 7);
        rounds.ask(1);
        assert!(rounds.due());
        let first = rounds.begin();
        rounds.ask(2);
        assert!(!rounds.due(), "one round in flight");
        assert_eq!(rounds.answered(&first), vec![1]);
        assert!(rounds.due());
        let second = rounds.begin();
        assert_eq!(rounds.answered(&first), Vec::<u64>::new(), "an old answer settles nothing");
        assert_eq!(rounds.answered(&second), vec![2]);
    }

    #[test]
    fn an_answer_to_a_repeated_question_settles_it_once() {
        let mut rounds = Rounds::new(1, 7);
        rounds.ask(1);
        let first = rounds.begin();
        assert!(rounds.tick(1));
        let second = rounds.again();
        assert_ne!(first, second);
        assert_eq!(rounds.answered(&first), vec![1]);
        assert!(rounds.answered(&second).is_empty());
    }

    #[test]
    fn contexts_differ_between_boots() {
        let context = |boot| {
            let mut rounds = Rounds::new(1, boot);
            rounds.ask(1);
            rounds.begin()
        };
        assert_ne!(context(1), context(2));
    }
}
