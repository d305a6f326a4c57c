//! Archived messages.

use super::{automatic, from_time, mailbox, mailboxes, optional_id, time, unknown_value};
use crate::{
    api::{follow::signed, v1},
    domain::{AgentId, ArchiveStatistics, CustomerLink, Direction, Message, MessageFilter, Result},
    mime::Content,
};

/// A message without its content. Streams send many of these: texts are moved, not copied.
pub(in crate::api) fn message(message: Message) -> v1::Message {
    v1::Message {
        name: message.id.name(),
        message_id: message.message_id,
        direction: direction(message.direction).into(),
        subject: message.subject,
        from: message.from.map(mailbox),
        to: mailboxes(message.to),
        cc: mailboxes(message.cc),
        preview: message.preview,
        customers: message.links.into_iter().map(link).collect(),
        agents: message.agents.iter().map(AgentId::name).collect(),
        sent_time: time(message.sent),
        received_time: time(message.received),
        archive_time: time(message.archived),
        size_bytes: message.size,
        stored_bytes: message.stored_size,
        sha256: message.hash,
        attachment_count: message.attachment_count,
        automatic_kind: automatic(message.automatic),
        content: None,
    }
}

fn direction(direction: Direction) -> v1::MessageDirection {
    match direction {
        Direction::Incoming => v1::MessageDirection::Incoming,
        Direction::Outgoing => v1::MessageDirection::Outgoing,
        Direction::Internal => v1::MessageDirection::Internal,
    }
}

fn link(link: CustomerLink) -> v1::CustomerLink {
    v1::CustomerLink {
        customer: link.customer.name(),
        contact: if link.contact.as_str().is_empty() {
            String::new()
        } else {
            link.contact.name()
        },
        address: link.address,
    }
}

/// A parsed message.
pub(in crate::api) fn content(content: Content) -> v1::MessageContent {
    let headers = content.headers.into_iter().map(|(name, value)| v1::HeaderField { name, value });
    let attachments = (0..).zip(content.attachments).map(|(index, attachment)| v1::Attachment {
        index,
        file_name: attachment.file_name,
        media_type: attachment.media_type,
        size_bytes: signed(attachment.size),
        content_id: attachment.content_id,
        inline: attachment.inline,
    });
    v1::MessageContent {
        headers: headers.collect(),
        text: content.text,
        html: content.html,
        remote_content_blocked: content.remote_content_blocked,
        attachments: attachments.collect(),
    }
}

/// Which messages a list or stream has.
///
/// # Errors
/// A violation for a malformed name, an unknown direction or a time out of range.
pub(in crate::api) fn filter(filter: &v1::MessageFilter) -> Result<MessageFilter> {
    let direction = match v1::MessageDirection::try_from(filter.direction) {
        Ok(v1::MessageDirection::Unspecified) => None,
        Ok(v1::MessageDirection::Incoming) => Some(Direction::Incoming),
        Ok(v1::MessageDirection::Outgoing) => Some(Direction::Outgoing),
        Ok(v1::MessageDirection::Internal) => Some(Direction::Internal),
        Err(_) => return Err(unknown_value("filter.direction")),
    };
    Ok(MessageFilter {
        customer: optional_id("filter.customer", &filter.customer)?,
        contact: optional_id("filter.contact", &filter.contact)?,
        agent: optional_id("filter.agent", &filter.agent)?,
        direction,
        has_attachments: filter.has_attachments,
        sent_after: from_time("filter.sent_after", filter.sent_after)?,
        sent_before: from_time("filter.sent_before", filter.sent_before)?,
        unlinked: filter.unlinked,
    })
}

pub(in crate::api) fn statistics(statistics: ArchiveStatistics) -> v1::ArchiveStatistics {
    v1::ArchiveStatistics {
        message_count: statistics.messages,
        unlinked_count: statistics.unlinked,
        size_bytes: statistics.size,
        stored_bytes: statistics.stored_size,
    }
}
