//! Enumerations of the calling-list format (spec 9), each one table.

/// An enumeration sent as a number; the value of a name is its position.
#[derive(Debug)]
pub struct Enumeration {
    /// The name of the enumeration in messages.
    pub name: &'static str,
    /// Names by value.
    pub names: &'static [&'static str],
}

impl Enumeration {
    /// The value of a name (any case) or of a decimal number inside the range.
    pub fn parse(&self, text: &str) -> Option<i64> {
        let text = text.trim();
        let by_name = self.names.iter().position(|name| name.eq_ignore_ascii_case(text));
        by_name.map(|at| at as i64).or_else(|| text.parse().ok().filter(|value| self.contains(*value)))
    }

    /// Whether a number is a value of this enumeration.
    pub fn contains(&self, value: i64) -> bool {
        usize::try_from(value).is_ok_and(|at| at < self.names.len())
    }

    /// The name of a value.
    pub fn name_of(&self, value: i64) -> Option<&'static str> {
        usize::try_from(value).ok().and_then(|at| self.names.get(at)).copied()
    }
}

/// An enumeration sent as a name.
#[derive(Debug)]
pub struct Word {
    /// The name of the enumeration in messages.
    pub name: &'static str,
    /// The canonical names; a number means the position.
    pub words: &'static [&'static str],
    /// Aliases, each with its canonical name.
    pub aliases: &'static [(&'static str, &'static str)],
}

impl Word {
    /// The canonical name of a name or alias (any case) or a number.
    pub fn parse(&self, text: &str) -> Option<&'static str> {
        let text = text.trim();
        let known = self.words.iter().find(|word| word.eq_ignore_ascii_case(text)).copied();
        let alias = || self.aliases.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(text)).map(|(_, word)| *word);
        let number = || text.parse::<usize>().ok().and_then(|at| self.words.get(at)).copied();
        known.or_else(alias).or_else(number)
    }
}

/// record_type.
pub static RECORD_TYPE: Enumeration = Enumeration {
    name: "record_type",
    names: &[
        "NoRecordType",
        "Unknown",
        "General",
        "CampaignRescheduled",
        "PersonalRescheduled",
        "PersonalCallback",
        "CampaignCallback",
        "NoCall",
    ],
};

/// record_status.
pub static RECORD_STATUS: Enumeration = Enumeration {
    name: "record_status",
    names: &[
        "NoRecordStatus",
        "Ready",
        "Retrieved",
        "Updated",
        "Stale",
        "Cancelled",
        "AgentError",
        "ChainUpdated",
        "MissedCallback",
    ],
};

/// contact_info_type.
pub static CONTACT_INFO_TYPE: Enumeration = Enumeration {
    name: "contact_info_type",
    names: &[
        "NoContactType",
        "HomePhone",
        "DirectBusinessPhone",
        "BusinessWithExt",
        "Mobile",
        "VacationPhone",
        "Pager",
        "Modem",
        "VoiceMail",
        "PinPager",
        "EmailAddress",
        "InstantMessaging",
    ],
};

/// call_result.
pub static CALL_RESULT: Enumeration = Enumeration {
    name: "call_result",
    names: &[
        "Ok",
        "Transferred",
        "Conferenced",
        "GeneralError",
        "SystemError",
        "RemoteRelease",
        "Busy",
        "NoAnswer",
        "SITDetected",
        "AnsweringMachine",
        "AllTrunksBusy",
        "SITInvalidNum",
        "SITVacant",
        "SITOperIntercept",
        "SITUnknown",
        "SITNoCircuit",
        "SITReorder",
        "FaxDetected",
        "QueueFull",
        "Cleared",
        "Overflowed",
        "Abandoned",
        "Redirected",
        "Forwarded",
        "Consult",
        "Pickedup",
        "Dropped",
        "DroppedNoAnswer",
        "Unknown",
        "Covered",
        "ConverseOn",
        "Bridged",
        "Silence",
        "Answer",
        "NuTone",
        "NoDialTone",
        "NoProgress",
        "NoRingBack",
        "NoEstablishedDetected",
        "PagerDetected",
        "WrongParty",
        "DialError",
        "CallDropError",
        "SwitchError",
        "NoFreePortError",
        "TransferError",
        "Stale",
        "AgentCallBackError",
        "GroupCallBackError",
        "Deafened",
        "Held",
        "DoNotCall",
        "CancelRecord",
        "WrongNumber",
    ],
};

/// Values of record_type that rules name.
pub mod record_type {
    #![allow(missing_docs)] // the names are the documentation
    pub const GENERAL: i64 = 2;
    pub const CAMPAIGN_RESCHEDULED: i64 = 3;
    pub const PERSONAL_RESCHEDULED: i64 = 4;
    pub const PERSONAL_CALLBACK: i64 = 5;
    pub const CAMPAIGN_CALLBACK: i64 = 6;
    pub const NO_CALL: i64 = 7;
}

/// Values of record_status that rules name.
pub mod record_status {
    #![allow(missing_docs)] // the names are the documentation
    pub const READY: i64 = 1;
    pub const RETRIEVED: i64 = 2;
    pub const UPDATED: i64 = 3;
    pub const STALE: i64 = 4;
    pub const CANCELLED: i64 = 5;
    pub const AGENT_ERROR: i64 = 6;
    pub const CHAIN_UPDATED: i64 = 7;
    pub const MISSED_CALLBACK: i64 = 8;
}

/// Values of call_result that rules name.
pub mod call_result {
    #![allow(missing_docs)] // the names are the documentation
    pub const UNKNOWN: i64 = 28;
    pub const AGENT_CALL_BACK_ERROR: i64 = 47;
    pub const DO_NOT_CALL: i64 = 51;
    pub const CANCEL_RECORD: i64 = 52;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_values_stand_where_the_specification_puts_them() {
        assert_eq!(CALL_RESULT.parse("DoNotCall"), Some(call_result::DO_NOT_CALL));
        assert_eq!(CALL_RESULT.parse("unknown"), Some(call_result::UNKNOWN));
        assert_eq!(CALL_RESULT.parse("AgentCallBackError"), Some(call_result::AGENT_CALL_BACK_ERROR));
        assert_eq!(CALL_RESULT.parse("CancelRecord"), Some(call_result::CANCEL_RECORD));
        assert_eq!(RECORD_STATUS.parse("MissedCallback"), Some(record_status::MISSED_CALLBACK));
        assert_eq!(CALL_RESULT.parse("WrongNumber"), Some(53));
        assert_eq!(RECORD_STATUS.parse("chainupdated"), Some(record_status::CHAIN_UPDATED));
        assert_eq!(RECORD_TYPE.parse("7"), Some(record_type::NO_CALL));
        assert_eq!(CONTACT_INFO_TYPE.parse("12"), None);
        assert_eq!(CONTACT_INFO_TYPE.name_of(4), Some("Mobile"));
    }
}
