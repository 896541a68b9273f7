// Online decisions in simulated time: AutoScale, ANS, fixed choices and the oracles.
//   dotnet run -c Release --project bench/experiments/Online -- [scenarios|recovery|cost|all|tune] [SEEDS [REQUESTS [FILE]]]
// 'scenarios' prints five scenarios times three networks and what can be said beside the published figures, 'recovery' the regret of ANS
// and the frames it needs after a step of link or edge, 'cost' the time and memory of one decision with its update. 'tune' prints the
// figures that the deciders' defaults were chosen by, on seeds from 101 on; everything else uses the seeds from 1 on, with which nothing was chosen.
// The tables of single scenarios go to FILE, without one to the rest.
// The networks' targets lie in 'recorded', as 'coinference record' wrote them on the machine that is named in them.
using System.Globalization;
using CoInference.Bench.Online;

string part = args.Length > 0 ? args[0] : "all";
int count = Argument(1, 8), requests = Argument(2, 1000);
if (part is not ("scenarios" or "recovery" or "cost" or "all" or "tune") || count < 1 || requests <= 200)
{
    Console.Error.WriteLine("usage: Online [scenarios|recovery|cost|all|tune] [SEEDS [REQUESTS [FILE]]], with more than 200 requests");
    return 2;
}

var seeds = new Seeds(part == "tune" ? 101 : 1, count);
IReadOnlyList<Network> networks = Network.LoadAll(Path.Combine(AppContext.BaseDirectory, "recorded"));
foreach (Network network in networks) Console.WriteLine(network);
if (part == "tune") new TuningTables(networks, seeds, requests).Print(Console.Out);
if (part is "scenarios" or "all")
{
    var tables = new ScenarioTables(networks, seeds, requests);
    if (args.Length > 3)
    {
        using StreamWriter file = File.CreateText(args[3]);
        file.WriteLine("# Online decisions: all tables");
        file.WriteLine();
        file.WriteLine($"Written by `dotnet run -c Release --project bench/experiments/Online -- {string.Join(' ', args)}`; [online.md](online.md) says what they mean.");
        file.WriteLine();
        foreach (Network network in networks) file.WriteLine($"- {network}");
        tables.Print(file, Console.Out);
    }
    else
    {
        tables.Print(Console.Out, Console.Out);
    }
}

if (part is "recovery" or "all" or "tune") new RecoveryTables(networks, seeds).Print(Console.Out);
if (part is "cost" or "all") DecisionCost.Print(networks, Console.Out);
return 0;

int Argument(int index, int fallback) => args.Length <= index ? fallback : int.TryParse(args[index], CultureInfo.InvariantCulture, out int value) ? value : -1;
