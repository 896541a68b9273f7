using Spectre.Console;

namespace CoInference.Cli.Rendering;

/// <summary>The two output channels: results go to stdout; progress, messages and errors go to stderr.</summary>
internal sealed class Terminal
{
    private const int RedirectedWidth = 400;

    /// <summary>Opens the process's own streams.</summary>
    /// <param name="quiet">Whether messages and progress are suppressed.</param>
    public Terminal(bool quiet)
        : this(Console.Out, Console.Error, quiet)
    {
    }

    /// <summary>Writes to the given streams.</summary>
    /// <param name="output">Receives results.</param>
    /// <param name="error">Receives progress, messages and errors.</param>
    /// <param name="quiet">Whether messages and progress are suppressed.</param>
    public Terminal(TextWriter output, TextWriter error, bool quiet)
    {
        Quiet = quiet;
        Output = Open(output, Console.IsOutputRedirected);
        Diagnostics = Open(error, Console.IsErrorRedirected);
        ErrorWriter = error;
    }

    /// <summary>Whether messages and progress are suppressed.</summary>
    public bool Quiet { get; }

    /// <summary>Results.</summary>
    public IAnsiConsole Output { get; }

    /// <summary>Progress and messages.</summary>
    public IAnsiConsole Diagnostics { get; }

    private TextWriter ErrorWriter { get; }

    /// <summary>Writes one line of the result.</summary>
    public void Line(string text) => Output.Profile.Out.Writer.WriteLine(text);

    /// <summary>Writes a table of the result.</summary>
    public void Write(ResultTable table) => table.Write(Output);

    /// <summary>Shows a message unless quiet.</summary>
    public void Message(string text)
    {
        if (!Quiet) ErrorWriter.WriteLine(text);
    }

    /// <summary>Shows a warning unless quiet.</summary>
    public void Warn(string text) => Message($"warning: {text}");

    /// <summary>Shows an error on one line.</summary>
    public void Error(string text) => ErrorWriter.WriteLine($"error: {text.ReplaceLineEndings(" ")}");

    /// <summary>Runs work under a progress bar on stderr; without a terminal, or when quiet, only the work runs.</summary>
    /// <param name="title">What is being done.</param>
    /// <param name="work">Receives a callback that takes the share done (0 to 1) and a short description.</param>
    public async Task<T> ProgressAsync<T>(string title, Func<Action<double, string>, Task<T>> work)
    {
        if (Quiet) return await work((_, _) => { }).ConfigureAwait(false);
        if (!Diagnostics.Profile.Out.IsTerminal) return await work(LineProgress(title)).ConfigureAwait(false);
        return await Diagnostics.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new ElapsedTimeColumn(), new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                ProgressTask task = context.AddTask(Markup.Escape(title), maxValue: 1);
                return await work((share, text) =>
                {
                    task.Value = Math.Clamp(share, 0, 1);
                    task.Description = Markup.Escape(text.Length == 0 ? title : $"{title}: {text}");
                }).ConfigureAwait(false);
            }).ConfigureAwait(false);
    }

    /// <summary>A redirected stderr gets a line now and then instead of a bar that redraws itself.</summary>
    private Action<double, string> LineProgress(string title)
    {
        long next = 0;
        return (share, text) =>
        {
            long now = Environment.TickCount64;
            if (now < next && share < 1) return;
            next = now + 5000;
            Message($"{title}: {share:P0} {text}".TrimEnd());
        };
    }

    private static IAnsiConsole Open(TextWriter writer, bool redirected)
    {
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        if (redirected) console.Profile.Width = RedirectedWidth;
        return console;
    }
}
