// Online decisions in simulated time: AutoScale, ANS, fixed choices and the oracle.
//   dotnet run -c Release --project bench/experiments/Online -- [scenarios|recovery|cost|all] [SEEDS [REQUESTS]]
// 'scenarios' prints five scenarios times three networks and what can be said beside the published figures, 'recovery' the regret of ANS
// and the frames it needs after a step of link or edge, 'cost' the time and memory of one decision with its update.
// The networks' targets lie in 'recorded', as 'coinference record' wrote them on the machine that is named in them.
using System.Globalization;
using CoInference.Bench.Online;

string part = args.Length > 0 ? args[0] : "all";
int seeds = Argument(1, 8), requests = Argument(2, 1000);
if (part is not ("scenarios" or "recovery" or "cost" or "all") || seeds < 1 || requests <= 200)
{
    Console.Error.WriteLine("usage: Online [scenarios|recovery|cost|all] [SEEDS [REQUESTS]], with more than 200 requests");
    return 2;
}

IReadOnlyList<Network> networks = Network.LoadAll(Path.Combine(AppContext.BaseDirectory, "recorded"));
foreach (Network network in networks) Console.WriteLine(network);
if (part is "scenarios" or "all") new ScenarioTables(networks, seeds, requests).Print(Console.Out);
if (part is "recovery" or "all") new RecoveryTables(networks, seeds).Print(Console.Out);
if (part is "cost" or "all") DecisionCost.Print(networks, Console.Out);
return 0;

int Argument(int index, int fallback) => args.Length <= index ? fallback : int.TryParse(args[index], CultureInfo.InvariantCulture, out int value) ? value : -1;
