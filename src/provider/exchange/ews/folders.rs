//! The folders of a mailbox that contain mail that was received or sent.

use super::{
    errors::Fault,
    requests,
    responses::{self, Named},
    transport::Transport,
};
use crate::{
    net::ErrorClass,
    provider::{
        Folder, FolderRole,
        exchange::folders::{INBOX, KnownFolders, LEFT_OUT, MOST, SENT, readable},
    },
};

/// The folder that every mailbox has.
pub(super) async fn inbox(transport: &Transport) -> Result<Folder, Fault> {
    let body = transport.call(requests::get_folders(&[INBOX], transport.mailbox())).await?;
    let found = responses::named_folders(&transport.judge, 1, &body)?;
    found
        .into_iter()
        .flatten()
        .next()
        .map(|folder| usual(FolderRole::Inbox, folder))
        .ok_or_else(|| transport.judge.malformed("lacks the inbox"))
}

/// The folders with names: which is which, and those that are read in any case.
pub(super) async fn named(transport: &Transport) -> Result<(KnownFolders, Vec<Folder>), Fault> {
    let names = [&[INBOX, SENT][..], &LEFT_OUT].concat();
    let body = transport.call(requests::get_folders(&names, transport.mailbox())).await?;
    let mut found = responses::named_folders(&transport.judge, names.len(), &body)?.into_iter();
    let inbox = found.next().flatten().ok_or_else(|| transport.judge.malformed("lacks the inbox"))?;
    let mut folders = vec![usual(FolderRole::Inbox, inbox.clone())];
    let sent = found.next().flatten();
    match &sent {
        Some(sent) => folders.push(usual(FolderRole::Sent, sent.clone())),
        None => tracing::warn!(host = %transport.judge.host, "the mailbox has no Sent Items folder"),
    }
    let known = KnownFolders {
        inbox: inbox.id,
        sent: sent.map(|sent| sent.id),
        left_out: found.flatten().map(|folder| folder.id).collect(),
    };
    Ok((known, folders))
}

fn usual(role: FolderRole, Named { id, total }: Named) -> Folder {
    Folder {
        role,
        id,
        path: String::new(),
        total,
    }
}

/// All folders that are read. `None`: the login, which may have rights to single folders only, is not shown them.
pub(super) async fn list(transport: &Transport, known: KnownFolders) -> Result<Option<Vec<Folder>>, Fault> {
    let mut listed = Vec::new();
    loop {
        let page = async {
            let body = transport.call(requests::find_folders(listed.len(), transport.mailbox())).await?;
            responses::listed_folders(&transport.judge, &body)
        };
        let (page, last) = match page.await {
            Ok(page) => page,
            Err(fault) if fault.error.class == ErrorClass::Refused => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let empty = page.is_empty();
        listed.extend(page);
        if last || empty || listed.len() >= MOST {
            break;
        }
    }
    Ok(readable(&listed, &known))
}
