//! Pages of lists.

/// A page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T, Key = String> {
    /// Its items, in the order of the list.
    pub items: Vec<T>,
    /// The last item's key, after which the next page begins. `None` on the last page.
    pub next: Option<Key>,
}

impl<T, Key> Page<T, Key> {
    /// The items of a list when at most `limit` were requested. If there are as many, there may be more.
    pub fn new(items: Vec<T>, limit: u64, key: impl FnOnce(&T) -> Key) -> Self {
        let next = items.last().filter(|_| items.len() as u64 == limit).map(key);
        Self { items, next }
    }

    /// The same with other items.
    pub fn map<U>(self, item: impl FnMut(T) -> U) -> Page<U, Key> {
        Page {
            items: self.items.into_iter().map(item).collect(),
            next: self.next,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_page_has_a_next_one() {
        let page = |items: Vec<u32>| Page::new(items, 2, ToString::to_string);
        assert_eq!(page(vec![]).next, None);
        assert_eq!(page(vec![1]).next, None);
        let full = page(vec![1, 7]).map(|item| item * 2);
        assert_eq!((full.items, full.next.as_deref()), (vec![2, 14], Some("7")));
    }
}
