//! Names of plain enums, which columns have as they are: a renamed variant must not lose its rows.

use std::fmt::Debug;

use serde::{Serialize, de::DeserializeOwned};

use crate::{
    domain::{AgentKind, AuthenticationMethod, ConnectionType, LoginState, LoginUse, SmtpAuthentication, SmtpSecurity},
    store::{Cell, from_name, to_name},
};

fn check<T: Serialize + DeserializeOwned + PartialEq + Debug>(names: &[(T, &str)]) {
    let cell = Cell::new("table", "column", "r1");
    for (value, name) in names {
        assert_eq!(to_name(value), *name);
        assert_eq!(from_name::<T>(name, cell).unwrap(), *value);
    }
    let error = from_name::<T>("another", cell).unwrap_err();
    assert!(error.chain().contains("table.column of row r1"), "{}", error.chain());
}

#[test]
fn names_in_columns_stay_as_they_are() {
    check(&[
        (AgentKind::Smtp, "smtp"),
        (AgentKind::ExchangeEws, "exchange_ews"),
        (AgentKind::ExchangeGraph, "exchange_graph"),
    ]);
    check(&[
        (ConnectionType::UserCredentials, "user_credentials"),
        (ConnectionType::MaintenanceAccount, "maintenance_account"),
    ]);
    check(&[(AuthenticationMethod::Basic, "basic"), (AuthenticationMethod::Modern, "modern")]);
    check(&[
        (SmtpAuthentication::None, "none"),
        (SmtpAuthentication::Password, "password"),
        (SmtpAuthentication::Oauth, "oauth"),
    ]);
    check(&[
        (SmtpSecurity::StartTls, "starttls"),
        (SmtpSecurity::Tls, "tls"),
        (SmtpSecurity::None, "none"),
    ]);
    check(&[(LoginUse::Graph, "graph"), (LoginUse::Ews, "ews"), (LoginUse::Smtp, "smtp")]);
    check(&[
        (LoginState::Active, "active"),
        (LoginState::Expired, "expired"),
        (LoginState::Required, "required"),
    ]);
}
