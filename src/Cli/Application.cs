using System.Globalization;
using System.Runtime.InteropServices;
using CoInference.Agent.Environments;
using CoInference.Cli.Rendering;
using CoInference.Cli.Verbs;
using CoInference.Kernels.Gpu;
using CommandLine;
using CommandLine.Text;

namespace CoInference.Cli;

/// <summary>Parses the command line, runs the verb and turns its outcome into an exit code.</summary>
internal static class Application
{
    private static readonly Type[] Verbs =
    [
        typeof(DevicesVerb), typeof(InspectVerb), typeof(KernelsVerb), typeof(ProfileVerb), typeof(EvalVerb), typeof(CreateVerb), typeof(TrainVerb), typeof(FinetuneVerb), typeof(BottleneckVerb), typeof(SearchVerb),
        typeof(CompileVerb), typeof(QuantizeVerb), typeof(PackVerb), typeof(ServeVerb), typeof(RunVerb), typeof(ReportVerb), typeof(CompareVerb), typeof(RecordVerb), typeof(ReplayVerb), typeof(DemoVerb),
    ];

    /// <summary>Runs one command line.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static async Task<int> RunAsync(string[] arguments)
    {
        CultureInfo.DefaultThreadCurrentCulture = CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
        using var parser = new Parser(settings =>
        {
            settings.HelpWriter = null;
            settings.CaseInsensitiveEnumValues = true;
            settings.ParsingCulture = CultureInfo.InvariantCulture;
        });
        ParserResult<object> result = parser.ParseArguments(arguments, Verbs);
        if (result is not Parsed<object> { Value: Verb verb }) return ShowHelp(result);

        using var cancellation = new CancellationTokenSource();
        using PosixSignalRegistration interrupt = CancelOn(PosixSignal.SIGINT, cancellation);
        using PosixSignalRegistration terminate = CancelOn(PosixSignal.SIGTERM, cancellation);
        var terminal = new Terminal(verb.Quiet);
        try
        {
            return await verb.RunAsync(terminal, cancellation.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            terminal.Error("cancelled");
            return ExitCode.Cancelled;
        }
        catch (UsageException failure)
        {
            terminal.Error(failure.Message);
            return ExitCode.Usage;
        }
        catch (FormatException failure)
        {
            terminal.Error(failure.Message);
            return ExitCode.Usage;
        }
        catch (Exception failure) when (IsExpected(failure))
        {
            terminal.Error(failure.Message);
            return ExitCode.Failed;
        }
    }

    /// <summary>Failures that bad input or the machine can cause; anything else is a bug and keeps its stack trace.</summary>
    private static bool IsExpected(Exception failure) =>
        failure is InvalidDataException or IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException
            or System.Net.Sockets.SocketException or TimeoutException or InfeasibleBudgetException or DeviceException;

    /// <summary>The first signal asks the verb to stop at the next safe point; a second one ends the process at once.</summary>
    private static PosixSignalRegistration CancelOn(PosixSignal signal, CancellationTokenSource cancellation) =>
        PosixSignalRegistration.Create(signal, context =>
        {
            if (cancellation.IsCancellationRequested) return;
            context.Cancel = true;
            cancellation.Cancel();
        });

    private static int ShowHelp(ParserResult<object> result)
    {
        IEnumerable<Error> errors = ((NotParsed<object>)result).Errors;
        string heading = $"coinference {typeof(Application).Assembly.GetName().Version?.ToString(3)}";
        if (errors.IsVersion())
        {
            Console.Out.WriteLine(heading);
            return ExitCode.Done;
        }

        if (!errors.IsHelp() && errors.First() is not NoVerbSelectedError)
        {
            var sentences = SentenceBuilder.Create();
            string verb = result.TypeInfo.Current is { } type && Attribute.GetCustomAttribute(type, typeof(VerbAttribute)) is VerbAttribute named ? $" {named.Name}" : "";
            string problems = string.Join(' ', errors.Where(error => error is not MutuallyExclusiveSetError).Select(error => sentences.FormatError(error).Trim()));
            string[] exclusive = [.. errors.OfType<MutuallyExclusiveSetError>().Select(error => $"--{error.NameInfo.LongName}").Distinct().Order()];
            if (exclusive.Length > 0) problems = $"{problems} {string.Join(", ", exclusive)}: each is for something else; expected one of them.".TrimStart();
            Console.Error.WriteLine($"error: {problems} See 'coinference{verb} --help'.");
            return ExitCode.Usage;
        }

        HelpText text = HelpText.AutoBuild(result, help =>
        {
            help.Heading = heading;
            help.Copyright = "Device-edge co-inference: profile, search, compile, run.";
            help.AdditionalNewLineAfterOption = false;
            help.AddDashesToOption = true;
            help.MaximumDisplayWidth = 120;
            help.AutoVersion = false;
            return help;
        }, example => example, verbsIndex: true);
        bool asked = errors.IsHelp();
        (asked ? Console.Out : Console.Error).WriteLine(text.ToString());
        return asked ? ExitCode.Done : ExitCode.Usage;
    }
}
