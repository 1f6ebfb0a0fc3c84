//! Tenants of requests (spec 2): which tenant `tenant=` names, and whether a resource is there for it.
//!
//! Rows name the default tenant "". Never writes. Called by the verbs before they look at a resource.

use outbound::{Refusal, RefusalCode, Request, Value, declaration::DEFAULT_TENANT};

use crate::{declared::Declared, rules::LIST_TENANT};

/// The tenant that a request names; none: the request names none. As long as no tenant is declared, any name means the default one.
///
/// # Errors
/// TENANT_NOT_FOUND: tenants are declared, and none of this name.
pub(crate) fn of_request(request: &Request, declared: &Declared) -> Result<Option<String>, Refusal> {
    match request.tenant.as_str() {
        "" => Ok(None),
        DEFAULT_TENANT => Ok(Some(LIST_TENANT.to_owned())),
        _ if !declared.has_tenants() => Ok(Some(LIST_TENANT.to_owned())),
        name if declared.tenant(name).is_some() => Ok(Some(name.to_owned())),
        name => {
            let refusal = Refusal::new(RefusalCode::TenantNotFound, format!("There is no tenant {name:?}"));
            Err(refusal.with("tenant", Value::text(name)))
        }
    }
}

/// Whether a resource of a tenant is there for a request: without a tenant of its own, a request means the resource's.
pub(crate) fn is_visible(named: Option<&str>, of_resource: &str) -> bool {
    named.is_none_or(|named| named == of_resource)
}

#[cfg(test)]
mod tests {
    use outbound::{
        Attributes, Resource, Verb,
        declaration::{Declaration, DeclaredTenant},
    };

    use super::*;
    use crate::tables::DeclaredRow;

    fn request(tenant: &str) -> Request {
        Request {
            verb: Verb::GetRecord,
            resource: Resource::List("demo".into()),
            attributes: Attributes::default(),
            tenant: tenant.into(),
            principal: String::new(),
            idempotency_key: None,
        }
    }

    fn declared(tenants: &[&str]) -> Declared {
        let tenant = |name: &&str| DeclaredTenant { name: (*name).to_owned(), ..DeclaredTenant::default() };
        let tenants = tenants.iter().map(tenant).collect();
        let declaration = Some(Declaration { tenants, ..Declaration::default() });
        DeclaredRow { declaration, ..DeclaredRow::default() }.into()
    }

    #[test]
    fn a_name_means_a_tenant_once_tenants_are_declared() {
        let (none, north) = (declared(&[]), declared(&["north"]));
        let named = |name: &str, declared: &Declared| of_request(&request(name), declared);
        assert_eq!(named("", &north), Ok(None));
        assert_eq!(named("anybody", &none), Ok(Some(String::new())));
        assert_eq!(named("default", &none), Ok(Some(String::new())));
        assert_eq!(named("default", &north), Ok(Some(String::new())));
        assert_eq!(named("north", &north), Ok(Some("north".into())));
        assert_eq!(named("North", &north).unwrap_err().code, RefusalCode::TenantNotFound);
    }

    #[test]
    fn a_resource_of_another_tenant_is_not_there() {
        assert!(is_visible(None, "north") && is_visible(None, ""));
        assert!(is_visible(Some("north"), "north") && is_visible(Some(""), ""));
        assert!(
            !is_visible(Some(""), "north") && !is_visible(Some("north"), "") && !is_visible(Some("south"), "north")
        );
    }
}
