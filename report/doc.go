// SPDX-License-Identifier: MIT

// Package report shows a history of results, and a comparison, to people: as one
// HTML file that needs nothing else, and as Markdown for a pull request.
//
// The HTML works without a network and without scripts, which add a filter and
// charts. It has no resources but its own, and says so to the browser by a
// content security policy. The same [Page] gives the same bytes.
package report
