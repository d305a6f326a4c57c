//! Of archived messages: `message.recipients`, `message.links` and `message.agents`. They are read for every message of a stream, so their
//! names are short, and empty lists take no parser.

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Cell, MailboxV1, all_into, read_first, write};
use crate::domain::{AgentId, CustomerLink, Mailbox, Result};

#[derive(Serialize, Deserialize)]
struct RecipientsV1 {
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    to: Vec<MailboxV1>,
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    cc: Vec<MailboxV1>,
}

#[derive(Serialize, Deserialize)]
struct LinkV1 {
    #[serde(rename = "u")]
    customer: String,
    #[serde(rename = "c")]
    contact: String,
    #[serde(rename = "a")]
    address: String,
}

impl From<CustomerLink> for LinkV1 {
    fn from(link: CustomerLink) -> Self {
        let CustomerLink {
            customer,
            contact,
            address,
        } = link;
        Self {
            customer: customer.to_string(),
            contact: contact.to_string(),
            address,
        }
    }
}

impl From<LinkV1> for CustomerLink {
    fn from(link: LinkV1) -> Self {
        let LinkV1 {
            customer,
            contact,
            address,
        } = link;
        Self {
            customer: customer.into(),
            contact: contact.into(),
            address,
        }
    }
}

pub fn write_recipients(to: Vec<Mailbox>, cc: Vec<Mailbox>) -> String {
    write(&RecipientsV1 {
        to: all_into(to),
        cc: all_into(cc),
    })
}

/// To and Cc.
pub fn read_recipients(text: &str, row: &str) -> Result<(Vec<Mailbox>, Vec<Mailbox>)> {
    let recipients: RecipientsV1 = read_first(text, Cell::new("message", "recipients", row))?;
    Ok((all_into(recipients.to), all_into(recipients.cc)))
}

pub fn write_links(links: Vec<CustomerLink>) -> String {
    write(&all_into::<LinkV1, _>(links))
}

/// One link, as it is in a list of them: `linking.rs` appends it without reading the list.
pub fn write_link(link: CustomerLink) -> String {
    write(&LinkV1::from(link))
}

pub fn read_links(text: &str, row: &str) -> Result<Vec<CustomerLink>> {
    Ok(all_into(read_list::<LinkV1>(text, "links", row)?))
}

pub fn write_agents(agents: &[AgentId]) -> String {
    write(&agents)
}

pub fn read_agents(text: &str, row: &str) -> Result<Vec<AgentId>> {
    read_list(text, "agents", row)
}

fn read_list<T: DeserializeOwned>(text: &str, column: &'static str, row: &str) -> Result<Vec<T>> {
    if text == "[]" {
        return Ok(Vec::new());
    }
    read_first(text, Cell::new("message", column, row))
}

#[cfg(test)]
mod tests {
    use super::{super::tests::check_form, *};

    fn mailbox(display_name: &str, address: &str) -> Mailbox {
        Mailbox {
            display_name: display_name.to_owned(),
            address: address.to_owned(),
        }
    }

    #[test]
    fn recipients_are_read_as_they_were_written() {
        let check = |to: Vec<Mailbox>, cc: Vec<Mailbox>, text: &str| {
            let write = |(to, cc)| write_recipients(to, cc);
            check_form((to, cc), text, write, |text| read_recipients(text, "r1"));
        };
        let anna = || mailbox("Anna", "anna@example.com");
        check(vec![], vec![], "{}");
        check(
            vec![anna()],
            vec![],
            r#"{"t":[{"display_name":"Anna","address":"anna@example.com"}]}"#,
        );
        check(
            vec![anna(), mailbox("", "b@example.com")],
            vec![mailbox("É", "c@example.com")],
            r#"{"t":[{"display_name":"Anna","address":"anna@example.com"},{"display_name":"","address":"b@example.com"}],"c":[{"display_name":"É","address":"c@example.com"}]}"#,
        );
    }

    #[test]
    fn links_are_read_as_they_were_written() {
        let link = |customer: &str| CustomerLink {
            customer: customer.into(),
            contact: "eva".into(),
            address: "eva@oak.example".to_owned(),
        };
        let check = |links, text: &str| check_form(links, text, write_links, |text| read_links(text, "r1"));
        check(vec![], "[]");
        check(
            vec![link("oak"), link("elm")],
            r#"[{"u":"oak","c":"eva","a":"eva@oak.example"},{"u":"elm","c":"eva","a":"eva@oak.example"}]"#,
        );
        assert_eq!(format!("[{}]", write_link(link("oak"))), write_links(vec![link("oak")]));
    }

    #[test]
    fn agents_are_read_as_they_were_written() {
        let write = |agents: Vec<AgentId>| write_agents(&agents);
        let check = |agents, text: &str| check_form(agents, text, write, |text| read_agents(text, "r1"));
        check(vec![], "[]");
        check(vec!["01J".into(), "01K".into()], r#"["01J","01K"]"#);
    }
}
