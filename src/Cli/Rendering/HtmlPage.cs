using System.Net;
using System.Text;

namespace CoInference.Cli.Rendering;

/// <summary>The common look of HTML reports: one file, without scripts or outside references, light and dark.</summary>
internal static class HtmlPage
{
    private const string Style = """
        :root { color-scheme: light dark; --ink: #1c2330; --soft: #667085; --line: #d7dce5; --back: #ffffff; --mark: #f1f5ff;
          --c0: #2f6fde; --c1: #8b5cf6; --c2: #e08a1e; --c3: #14a38b; --c4: #c2415b; --c5: #64748b; --c6: #b59f00; --c7: #7c4a2d; }
        @media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #353c49; --back: #14181f; --mark: #1e2836;
          --c0: #6ea0ff; --c1: #b195ff; --c2: #f2b25c; --c3: #4fd1b8; --c4: #f08098; --c5: #a3afc0; --c6: #e0cf4a; --c7: #c99873; } }
        body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--back); max-width: 1180px; margin: 2rem auto; padding: 0 1rem; }
        h1 { font-size: 1.6rem; margin-bottom: .3rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
        .headline { font-size: 1.1rem; } dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; } dt { color: var(--soft); } dd { margin: 0; }
        .scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .85rem; } th, td { padding: .3rem .6rem; border-bottom: 1px solid var(--line); text-align: left; white-space: nowrap; }
        th { color: var(--soft); font-weight: 600; } .n { text-align: right; font-variant-numeric: tabular-nums; } tr.plan { background: var(--mark); font-weight: 600; }
        svg { width: 100%; height: auto; margin-top: .5rem; } svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .label { fill: var(--soft); } svg .strong { font-weight: 700; } svg .title { font-size: 13px; font-weight: 600; } svg .grid { stroke: var(--line); }
        .emulated { display: inline-block; border: 1px solid var(--c2); color: var(--c2); border-radius: 4px; padding: 0 .4rem; font-size: .8rem; }
        """;

    /// <summary>Begins a page: title, badge, headline and facts.</summary>
    /// <param name="title">Title.</param>
    /// <param name="badge">What stands out beside it, such as that times are emulated; empty for nothing.</param>
    /// <param name="headline">One sentence.</param>
    /// <param name="facts">Names and values.</param>
    public static StringBuilder Open(string title, string badge, string headline, IEnumerable<(string Name, string Value)> facts)
    {
        StringBuilder page = new StringBuilder().Append("<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\"><title>")
            .Append(Escape($"{title} - CoInference")).Append("</title><style>").Append(Style).Append("</style></head><body>");
        page.Append("<h1>").Append(Escape(title)).Append("</h1>");
        if (badge.Length > 0) page.Append("<span class=\"emulated\">").Append(Escape(badge)).Append("</span>");
        page.Append("<p class=\"headline\">").Append(Escape(headline)).Append("</p><dl>");
        foreach ((string name, string value) in facts) page.Append("<dt>").Append(Escape(name)).Append("</dt><dd>").Append(Escape(value)).Append("</dd>");
        return page.Append("</dl>");
    }

    /// <summary>Begins a section.</summary>
    public static void Heading(StringBuilder page, string text) => page.Append("<h2>").Append(Escape(text)).Append("</h2>");

    /// <summary>Writes a table.</summary>
    /// <param name="page">The page.</param>
    /// <param name="columns">Headers; one that starts with <c>&gt;</c> heads a right-aligned column.</param>
    /// <param name="rows">One text per column.</param>
    /// <param name="firstIsPlan">Whether the first row stands out.</param>
    public static void Table(StringBuilder page, IReadOnlyList<string> columns, IEnumerable<string[]> rows, bool firstIsPlan = false)
    {
        page.Append("<div class=\"scroll\"><table><thead><tr>");
        foreach (string column in columns) page.Append(column.StartsWith('>') ? "<th class=\"n\">" : "<th>").Append(Escape(column.TrimStart('>'))).Append("</th>");
        page.Append("</tr></thead><tbody>");
        bool first = firstIsPlan;
        foreach (string[] row in rows)
        {
            page.Append(first ? "<tr class=\"plan\">" : "<tr>");
            first = false;
            for (int i = 0; i < row.Length; i++) page.Append(columns[i].StartsWith('>') ? "<td class=\"n\">" : "<td>").Append(Escape(row[i])).Append("</td>");
            page.Append("</tr>");
        }

        page.Append("</tbody></table></div>");
    }

    /// <summary>Text that may stand in HTML.</summary>
    public static string Escape(string text) => WebUtility.HtmlEncode(text);
}
