//! Which children the elements of a request may have, and in which order: `xs:sequence` in the published messages.xsd and types.xsd.

use super::xml::{Element, Space};

/// Longest page of changes (MaxSyncChangesReturnedType).
pub(super) const MAX_CHANGES: usize = 512;

/// Operations that are understood, with their children in order; `!` marks those that must be there.
const SEQUENCES: &[(&str, &[&str])] = &[
    ("GetFolder", &["!FolderShape", "!FolderIds"]),
    (
        "FindFolder",
        &[
            "!FolderShape",
            "IndexedPageFolderView",
            "FractionalPageFolderView",
            "Restriction",
            "!ParentFolderIds",
        ],
    ),
    (
        "SyncFolderItems",
        &[
            "!ItemShape",
            "!SyncFolderId",
            "SyncState",
            "Ignore",
            "!MaxChangesReturned",
            "SyncScope",
        ],
    ),
    (
        "FindItem",
        &[
            "!ItemShape",
            "IndexedPageItemView",
            "FractionalPageItemView",
            "CalendarView",
            "ContactsView",
            "GroupBy",
            "DistinguishedGroupBy",
            "Restriction",
            "SortOrder",
            "!ParentFolderIds",
            "QueryString",
        ],
    ),
    ("GetItem", &["!ItemShape", "!ItemIds"]),
    ("CreateItem", &["SavedItemFolderId", "!Items"]),
    ("SendItem", &["!ItemIds", "SavedItemFolderId"]),
    ("DeleteItem", &["!ItemIds"]),
    ("MoveItem", &["!ToFolderId", "!ItemIds", "ReturnNewItemIds"]),
    ("UpdateItem", &["SavedItemFolderId", "!ItemChanges"]),
    (
        "Subscribe",
        &["PullSubscriptionRequest", "PushSubscriptionRequest", "StreamingSubscriptionRequest"],
    ),
    ("StreamingSubscriptionRequest", &["FolderIds", "!EventTypes"]),
    ("GetStreamingEvents", &["!SubscriptionIds", "!ConnectionTimeout"]),
    ("Unsubscribe", &["!SubscriptionId"]),
    ("FolderShape", &["!BaseShape", "AdditionalProperties"]),
    (
        "ItemShape",
        &[
            "!BaseShape",
            "IncludeMimeContent",
            "BodyType",
            "UniqueBodyType",
            "NormalizedBodyType",
            "FilterHtmlContent",
            "ConvertHtmlCodePageToUTF8",
            "InlineImageUrlTemplate",
            "BlockExternalImages",
            "AddBlankTargetToLinks",
            "MaximumBodySize",
            "AdditionalProperties",
        ],
    ),
];

/// Whether the operation is one that is understood.
pub(super) fn knows(operation: &str) -> bool {
    !matches!(operation, "StreamingSubscriptionRequest" | "FolderShape" | "ItemShape") && sequence(operation).is_some()
}

fn sequence(name: &str) -> Option<&'static [&'static str]> {
    SEQUENCES.iter().find(|(known, _)| *known == name).map(|(_, sequence)| *sequence)
}

/// Checks the operation and those of its parts that have a sequence. Says what is wrong, in Exchange's way.
pub(super) fn check(operation: &Element) -> Result<(), String> {
    if operation.space != Space::Messages {
        return Err(format!("The element '{}' is in a wrong namespace.", operation.name));
    }
    check_sequence(operation)?;
    if let Some(wanted) = operation.text_of("MaxChangesReturned")
        && !wanted.parse().is_ok_and(|n: usize| (1..=MAX_CHANGES).contains(&n))
    {
        return Err(format!(
            "The 'MaxChangesReturned' element is invalid - The value '{wanted}' is not within 1 and {MAX_CHANGES}."
        ));
    }
    if let Some(minutes) = operation.text_of("ConnectionTimeout")
        && !minutes.parse().is_ok_and(|n: u32| (1..=30).contains(&n))
    {
        return Err(format!(
            "The 'ConnectionTimeout' element is invalid - The value '{minutes}' is not within 1 and 30."
        ));
    }
    Ok(())
}

fn check_sequence(element: &Element) -> Result<(), String> {
    let Some(sequence) = sequence(&element.name) else { return Ok(()) };
    let mut allowed = sequence.iter().map(|name| name.trim_start_matches('!'));
    for child in &element.children {
        if !allowed.any(|name| name == child.name) {
            return Err(format!(
                "The element '{}' has invalid child element '{}'.",
                element.name, child.name
            ));
        }
        check_sequence(child)?;
    }
    match sequence
        .iter()
        .filter_map(|name| name.strip_prefix('!'))
        .find(|name| element.child(name).is_none())
    {
        Some(missing) => Err(format!(
            "The element '{}' has incomplete content, '{missing}' is expected.",
            element.name
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::xml::{MESSAGES, TYPES};

    fn verdict(inside: &str) -> Result<(), String> {
        let document = format!(r#"<SyncFolderItems xmlns="{MESSAGES}" xmlns:t="{TYPES}">{inside}</SyncFolderItems>"#);
        check(&Element::parse(&document).unwrap())
    }

    #[test]
    fn order_matters() {
        let (shape, folder) = ("<ItemShape><t:BaseShape>IdOnly</t:BaseShape></ItemShape>", "<SyncFolderId/>");
        let max = "<MaxChangesReturned>512</MaxChangesReturned>";
        assert_eq!(verdict(&format!("{shape}{folder}{max}")), Ok(()));
        assert_eq!(verdict(&format!("{shape}{folder}<SyncState/>{max}")), Ok(()));
        for wrong in [
            format!("{shape}{folder}{max}<SyncState/>"),
            format!("{shape}{folder}"),
            format!("<ItemShape/>{folder}{max}"),
            format!("{shape}{folder}<MaxChangesReturned>513</MaxChangesReturned>"),
            format!("{shape}{folder}{max}<Other/>"),
        ] {
            assert!(verdict(&wrong).is_err(), "{wrong}");
        }
    }
}
