//! The subject and the scope of an entry, as the command line names them. Called by the verbs of `dnc`.

use list_files::EntryScope;

use crate::{
    cli::{DncAboutArgs, DncScopeArgs},
    failure::Failure,
    print,
};

/// A phone in any spelling, or a customer id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum About {
    Phone(String),
    Customer(String),
}

impl About {
    /// Refuses an empty text: for it a node would give all entries.
    pub(super) fn new(args: &DncAboutArgs) -> Result<Self, Failure> {
        let empty = |what: &str| Failure::Usage(format!("the {what} is empty"));
        match (&args.phone, &args.customer) {
            (_, Some(customer)) if customer.trim().is_empty() => Err(empty("customer id")),
            (_, Some(customer)) => Ok(Self::Customer(customer.trim().to_owned())),
            (Some(phone), None) if !phone.trim().is_empty() => Ok(Self::Phone(phone.clone())),
            (_, None) => Err(empty("phone")),
        }
    }

    /// The phone; empty: the subject is a customer.
    pub(super) fn phone(&self) -> String {
        match self {
            Self::Phone(phone) => phone.clone(),
            Self::Customer(_) => String::new(),
        }
    }

    /// The customer id; empty: the subject is a phone.
    pub(super) fn customer(&self) -> String {
        match self {
            Self::Phone(_) => String::new(),
            Self::Customer(customer) => customer.clone(),
        }
    }

    /// For a person.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Phone(phone) => print::visible(phone).into_owned(),
            Self::Customer(customer) => format!("customer {}", print::visible(customer)),
        }
    }
}

/// The scope that the command line names.
pub(super) fn scope(args: &DncScopeArgs) -> EntryScope {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    EntryScope { tenant: text(&args.tenant), campaign: text(&args.campaign), list: text(&args.list) }
}

/// For what an entry of the scope holds, in words.
pub(super) fn holds_for(scope: &EntryScope) -> String {
    let EntryScope { tenant, campaign, list } = scope;
    match (tenant.as_str(), campaign.as_str(), list.as_str()) {
        (_, "", list) if !list.is_empty() => format!("list {}", print::visible(list)),
        (_, campaign, _) if !campaign.is_empty() => format!("campaign {}", print::visible(campaign)),
        (tenant, ..) if !tenant.is_empty() => format!("all lists of tenant {}", print::visible(tenant)),
        _ => "all lists".to_owned(),
    }
}
