//! The operator behind the last order that this node lead alone, for the history of the role.
//!
//! A file of its own beside the stamp, as the mark of a guarded group is: the stamp has no room for a field that an older release does
//! not know. Decides nothing.

use std::fs;

use serde::{Deserialize, Serialize};

use super::{DataDir, DataDirError, write_aside};

const ORDERED_BY_FILE: &str = "ordered-by.toml";
const PREAMBLE: &str = "# Written by ocsd: the operator of the last order that this node lead alone.\n";

#[derive(Serialize, Deserialize)]
struct OrderedBy {
    /// The epoch that the order begins.
    epoch: u64,
    by: String,
}

impl DataDir {
    /// Keeps the operator of an order; comes before [`DataDir::order`].
    ///
    /// # Errors
    /// [`DataDirError::Io`]: the history will not name the operator.
    pub fn order_is_by(&self, epoch: u64, by: &str) -> Result<(), DataDirError> {
        let ordered = OrderedBy { epoch, by: by.to_owned() };
        let text = toml::to_string(&ordered).expect("a table of a number and a word has a TOML form");
        write_aside(self.path(), ORDERED_BY_FILE, &format!("{PREAMBLE}{text}"))
    }

    /// The operator of the last order that was executed here; none: not known.
    pub fn forced_by(&self) -> Option<String> {
        let forced = self.forced()?;
        let text = fs::read_to_string(self.path().join(ORDERED_BY_FILE)).ok()?;
        let OrderedBy { epoch, by } = toml::from_str(&text).ok()?;
        (epoch == forced.epoch).then_some(by)
    }
}

#[cfg(test)]
mod tests {
    use consensus::Kind;
    use tempfile::TempDir;

    use crate::{DataDir, DataIdentity, Forced};

    #[test]
    fn the_operator_of_an_order_is_known_once_the_order_is_executed_and_until_the_next_one() {
        let parent = TempDir::new().unwrap();
        let identity = DataIdentity { cluster_id: "demo".into(), cluster: [7; 16], node: "a".into(), kind: Kind::Data };
        let directory = DataDir::open(&parent.path().join("data"), identity, true).unwrap();
        directory.stamp().unwrap();
        let order = Forced { at_us: 1, epoch: 2, last_index: 9, last_commit: 9, accept_loss: true, term: 0 };
        directory.order_is_by(2, "maria (10.0.0.9:4711)").unwrap();
        directory.order(order.clone()).unwrap();
        assert_eq!(directory.forced_by(), None);
        directory.obeyed(0x1_0001, 3).unwrap();
        assert_eq!(directory.forced_by().as_deref(), Some("maria (10.0.0.9:4711)"));
        directory.order(Forced { epoch: 3, ..order }).unwrap();
        directory.obeyed(0x2_0001, 4).unwrap();
        assert_eq!(directory.forced_by(), None, "an earlier release took the next order");
    }
}
