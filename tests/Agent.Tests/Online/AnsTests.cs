using CoInference.Agent.Networks;
using CoInference.Agent.Online;
using CoInference.Agent.Online.Replay;
using CoInference.Runtime.Targets;

namespace CoInference.Agent.Tests.Online;

public class AnsTests
{
    /// <summary>Against sums kept one by one and a Gauss-Jordan inverse; both are exact to rounding on matrices of this size.</summary>
    [Theory]
    [InlineData(1, 1)]
    [InlineData(3, 0.9)]
    [InlineData(7, 0.95)]
    public void Regression_is_ridge_regression_with_discounted_sums(int inputs, double discount)
    {
        const double ridge = 0.3;
        var random = new RandomSource(inputs);
        double[] prior = [.. Enumerable.Range(0, inputs).Select(_ => random.NextNormal())];
        var regression = new DiscountedRegression(prior, discount, ridge);
        var seen = new List<(double[] Inputs, double Value)>();
        for (int step = 1; step <= 40; step++)
        {
            double[] x = [.. Enumerable.Range(0, inputs).Select(_ => random.NextNormal())];
            double y = random.NextNormal();
            seen.Add((x, y));
            regression.Observe(x, y);

            var matrix = new double[inputs, inputs];
            var moments = new double[inputs];
            for (int i = 0; i < inputs; i++) matrix[i, i] = ridge;
            for (int k = 0; k < seen.Count; k++)
            {
                double weight = Math.Pow(discount, seen.Count - 1 - k), residual = seen[k].Value - Dot(seen[k].Inputs, prior);
                for (int i = 0; i < inputs; i++)
                {
                    moments[i] += weight * seen[k].Inputs[i] * residual;
                    for (int j = 0; j < inputs; j++) matrix[i, j] += weight * seen[k].Inputs[i] * seen[k].Inputs[j];
                }
            }

            double[,] inverse = Inverse(matrix);
            double[] probe = [.. Enumerable.Range(0, inputs).Select(_ => random.NextNormal())];
            double[] applied = [.. Enumerable.Range(0, inputs).Select(i => Enumerable.Range(0, inputs).Sum(j => inverse[i, j] * probe[j]))];
            double[] coefficients = [.. Enumerable.Range(0, inputs).Select(i => prior[i] + Enumerable.Range(0, inputs).Sum(j => inverse[i, j] * moments[j]))];
            Assert.Equal(Dot(probe, applied), regression.Uncertainty(probe), 8);
            Assert.Equal(Dot(probe, coefficients), regression.Predict(probe), 8);
        }
    }

    [Fact]
    public void Forgetting_goes_back_to_the_prior()
    {
        var regression = new DiscountedRegression([2, -1], 0.9, 0.1);
        for (int i = 0; i < 20; i++) regression.Observe([i % 3, 1], 30);
        for (int i = 0; i < 400; i++) regression.Forget(0.9);
        Assert.Equal(2, regression.Coefficients[0], 6);
        Assert.Equal(-1, regression.Coefficients[1], 6);
    }

    [Fact]
    public void The_confidence_factor_is_that_of_the_paper() =>
        Assert.Equal((1 + (0.05 * Math.Sqrt(7 * Math.Log(201 / 0.1)))) / 0.2, AnsOptions.Paper.Alpha(200, 7), 12);

    /// <summary>An edge that is never worth asking: as published it is asked every fourth frame (200^0.25 rounded up), and never on a key frame.</summary>
    [Fact]
    public void Forced_frames_ask_the_edge_and_spare_key_frames()
    {
        var decider = new AnsDecider(SmallWorld.Profiles, AnsOptions.Paper with { Confidence = 0 });
        var edges = new List<int>();
        for (int frame = 0; frame < 160; frame++)
        {
            RequestConstraints constraints = SmallWorld.Constraints with { IsKey = frame % 10 == 0 };
            int target = decider.Choose(SmallWorld.Conditions(), constraints);
            bool device = SmallWorld.Profiles[target].Target.Placement == TargetPlacement.Device;
            if (!device) edges.Add(frame);
            decider.Learn(target, SmallWorld.Conditions(), constraints, device ? SmallWorld.Outcome(0.007, 0.03) : SmallWorld.Outcome(0, 0.5, wire: 2, edge: 2));
        }

        int[] late = [.. edges.Where(frame => frame >= 40)];
        Assert.DoesNotContain(late, frame => frame % 10 == 0);
        Assert.All(late.Zip(late.Skip(1)), pair => Assert.InRange(pair.Second - pair.First, 4, 5));
    }

    [Fact]
    public void Forced_frames_grow_rare_while_nothing_changes()
    {
        var scenario = new Scenario { Name = "far", Requests = 1000, Signal = null, LinkMbps = LevelProcess.Constant(0.3) };
        ReplayedRequest[] requests = SmallWorld.Run(scenario, 1).Run(_ => new AnsDecider(SmallWorld.Profiles, new AnsOptions { Probes = false }));
        int first = requests.Take(200).Count(OnEdge), last = requests.Skip(800).Count(OnEdge);
        // One in 16, and one again after an accident.
        Assert.True(last <= 200 / 14, $"{last} of the last 200 frames went to the edge");
        Assert.True(last < first);

        static bool OnEdge(ReplayedRequest request) => SmallWorld.Profiles[request.Target].Target.Placement != TargetPlacement.Device;
    }

    [Theory]
    [InlineData(0.3)]
    [InlineData(1)]
    public void With_probes_no_frame_is_forced_and_the_pauses_know_of_the_edge(double mbps)
    {
        var scenario = new Scenario { Name = "far", Requests = 1000, Signal = null, LinkMbps = LevelProcess.Constant(mbps) };
        ReplayedRequest[] requests = SmallWorld.Run(scenario, 1).Run(_ => new AnsDecider(SmallWorld.Profiles));
        Assert.Equal(0, requests.Skip(200).Count(request => SmallWorld.Profiles[request.Target].Target.Placement != TargetPlacement.Device));
        Assert.InRange(requests.Skip(800).Count(request => request.ProbeJoules > 0), 1, 200 / 8);
    }

    [Theory]
    [InlineData(40, 1)]
    [InlineData(1, 40)]
    public void A_step_of_the_link_is_recovered_from_within_40_frames(double before, double after)
    {
        var scenario = new Scenario { Name = "step", Requests = 500, Signal = null, LinkMbps = new LevelProcess([before, after], 0, [30]) };
        for (int seed = 0; seed < 8; seed++)
        {
            ReplayedRequest[] requests = SmallWorld.Run(scenario, seed).Run(_ => new AnsDecider(SmallWorld.Profiles));
            int near = requests.Skip(340).Take(100).Count(request => request.Outcome.LatencySeconds <= 1.1 * request.ShortestSeconds);
            Assert.True(near >= 88, $"seed {seed}: {near} of 100 frames near the fastest");
        }
    }

    [Fact]
    public void Regret_per_frame_halves()
    {
        ReplayedRequest[] requests = SmallWorld.Run(Scenario.Find("steady") with { Requests = 2000 }, 1).Run(_ => new AnsDecider(SmallWorld.Profiles));
        double first = requests.Take(100).Sum(Regret), last = requests.Skip(1900).Sum(Regret);
        Assert.True(last <= first / 2, $"{first} s in the first 100 frames, {last} s in the last");

        static double Regret(ReplayedRequest request) => request.Outcome.LatencySeconds - request.ShortestSeconds;
    }

    [Fact]
    public void Deciding_and_learning_allocate_nothing()
    {
        var decider = new AnsDecider(SmallWorld.Profiles);
        long allocated = SteadyState.AllocatedBytes(() =>
        {
            for (int i = 0; i < 200; i++)
            {
                int target = decider.Choose(SmallWorld.Conditions(), SmallWorld.Constraints);
                decider.Learn(target, SmallWorld.Conditions(), SmallWorld.Constraints, SmallWorld.Outcome(0.01, 0.03, i % 50 != 0, 0.01 * (1 + (i % 3)), 0.002));
            }
        });
        Assert.Equal(0, allocated);
    }

    private static double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();

    private static double[,] Inverse(double[,] matrix)
    {
        int n = matrix.GetLength(0);
        var left = (double[,])matrix.Clone();
        var right = new double[n, n];
        for (int i = 0; i < n; i++) right[i, i] = 1;
        for (int pivot = 0; pivot < n; pivot++)
        {
            double scale = left[pivot, pivot];
            for (int j = 0; j < n; j++) (left[pivot, j], right[pivot, j]) = (left[pivot, j] / scale, right[pivot, j] / scale);
            for (int i = 0; i < n; i++)
            {
                if (i == pivot) continue;
                double factor = left[i, pivot];
                for (int j = 0; j < n; j++)
                {
                    left[i, j] -= factor * left[pivot, j];
                    right[i, j] -= factor * right[pivot, j];
                }
            }
        }

        return right;
    }
}
