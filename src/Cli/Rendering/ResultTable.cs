using Spectre.Console;

namespace CoInference.Cli.Rendering;

/// <summary>A plain table on stdout: numbers right-aligned, the text as given.</summary>
internal sealed class ResultTable
{
    private readonly Table _table = new Table().Border(TableBorder.Simple);

    /// <summary>Creates a table.</summary>
    /// <param name="columns">Headers; one that starts with <c>&gt;</c> heads a right-aligned column, one with <c>~</c> long text that wraps on a narrow terminal.</param>
    public ResultTable(params string[] columns)
    {
        foreach (string column in columns)
        {
            bool right = column.StartsWith('>'), wraps = column.StartsWith('~');
            var header = new TableColumn(Markup.Escape(right || wraps ? column[1..] : column)) { NoWrap = !wraps };
            _table.AddColumn(right ? header.RightAligned() : header);
        }
    }

    /// <summary>Adds a row.</summary>
    public void Add(params string[] cells) => _table.AddRow([.. cells.Select(Markup.Escape)]);

    /// <summary>Writes the table.</summary>
    public void Write(IAnsiConsole console) => console.Write(_table);
}
