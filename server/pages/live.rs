//! Live pages: one stream of server-sent events per page, opened by `web/scripts/live.ts` from the address in `data-live` of
//! `<body>`. Every page is whole without it.
//!
//! The stream sends pieces of HTML that the server rendered; the script only puts them in place. Events:
//!
//! | event   | data | what the script does |
//! |---------|------|----------------------|
//! | `swap`  | HTML of one or more elements, each with an `id` | replaces the element of that id; one that is not on the page is ignored. Keeps what the reader does: the checked state of boxes (by `name` and `value`), the focus, open `<details>` |
//! | `add`   | first line: `LIST first` or `LIST last`; then HTML of one or more elements with an `id` | like `swap` if an element of that id is there, else puts it at that end of the element with the id `LIST`. If `LIST` has `data-most="N"`, children beyond N go from the other end; if it has `data-follow`, it is scrolled to the new end unless the reader scrolled away |
//! | `drop`  | an id | removes that element |
//! | `stale` | – | the stream lost events: loads the page anew |
//! | `end`   | – | nothing more will come (the job or container ended): closes the stream for good |
//!
//! Table rows come as `<tr id=…>`, so the script parses them in a `<template>`. Lines of the data are parted as SSE asks (`data:` each).
//! A comment is sent every 15 seconds. Logs carry an `id:` (a moment in nanoseconds), so that `Last-Event-ID` goes on after it; all
//! other streams begin with the present state, so a broken connection is just opened again. The script closes the stream while the page is
//! hidden (browsers allow six connections to a host) and opens it again when it is shown. When the server stops or the session ends the
//! stream ends; opening it again is answered by 401 once the session is gone, and then the script loads the page anew.
