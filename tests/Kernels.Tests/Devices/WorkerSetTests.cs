using CoInference.Kernels.Devices;

namespace CoInference.Kernels.Tests.Devices;

public class WorkerSetTests
{
    /// <summary>Far more than any of these runs takes; a lost wake-up would wait for ever.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(8)]
    public void Every_part_runs_exactly_once(int threads) => Finishes(() =>
    {
        using var workers = new WorkerSet(threads);
        foreach (int parts in (int[])[0, 1, 2, 3, threads, 100])
        {
            var work = new CountingWork(parts);
            workers.Run(work, parts);
            Assert.All(work.Counts, count => Assert.Equal(1, count));
        }
    });

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    [InlineData(7)]
    public void Back_to_back_runs_never_lose_or_repeat_a_part(int threads) => Finishes(() =>
    {
        using var workers = new WorkerSet(threads);
        var work = new CountingWork(threads);
        const int Runs = 500;
        for (int run = 1; run <= Runs; run++)
        {
            workers.Run(work, threads);

            // Every part of this run has finished when Run returns: no count lags behind or runs ahead.
            for (int part = 0; part < threads; part++) Assert.Equal(run, work.Counts[part]);
        }
    });

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Workers_that_park_are_woken(int threads) => Finishes(() =>
    {
        using var workers = new WorkerSet(threads);
        var work = new CountingWork(threads);
        var random = new Random(3);
        for (int run = 1; run <= 150; run++)
        {
            // Pauses around the time after which a worker parks, so that posting and parking collide in every order.
            if (run % 50 == 0) Thread.Sleep(5);
            else Thread.SpinWait(random.Next(20_000));
            workers.Run(work, threads);
            for (int part = 0; part < threads; part++) Assert.Equal(run, work.Counts[part]);
        }
    });

    [Fact]
    public void The_first_exception_reaches_the_caller_and_the_set_stays_usable() => Finishes(() =>
    {
        using var workers = new WorkerSet(3);
        for (int run = 0; run < 50; run++)
        {
            var failure = Assert.Throws<InvalidOperationException>(() => workers.Run(new FailingWork(), 6));
            Assert.Equal("part 2", failure.Message);
            var work = new CountingWork(6);
            workers.Run(work, 6);
            Assert.All(work.Counts, count => Assert.Equal(1, count));
        }
    });

    [Fact]
    public void Sets_are_independent() => Finishes(() =>
    {
        Parallel.For(0, 4, _ =>
        {
            using var workers = new WorkerSet(2);
            var work = new CountingWork(8);
            for (int run = 0; run < 100; run++) workers.Run(work, 8);
            Assert.All(work.Counts, count => Assert.Equal(100, count));
        });
    });

    [Fact]
    public void A_run_allocates_nothing() => Finishes(() =>
    {
        using var workers = new WorkerSet(2);
        var work = new CountingWork(2);
        long allocated = SteadyState.AllocatedBytes(() =>
        {
            for (int run = 0; run < 100; run++) workers.Run(work, 2);
        });
        Assert.Equal(0, allocated);
    });

    [Fact]
    public void Disposing_twice_or_before_any_run_ends_cleanly() => Finishes(() =>
    {
        var unused = new WorkerSet(4);
        unused.Dispose();
        unused.Dispose();
        var parked = new WorkerSet(4);
        Thread.Sleep(20);
        parked.Dispose();
    });

    [Theory]
    [InlineData(0)]
    [InlineData(1025)]
    public void Thread_counts_out_of_range_are_refused(int threads) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new WorkerSet(threads));

    private static void Finishes(Action action)
    {
        Task task = Task.Factory.StartNew(action, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        try
        {
            Assert.True(task.Wait(Patience), "the worker set hangs");
        }
        catch (AggregateException failure)
        {
            throw failure.InnerException!;
        }
    }

    private sealed class CountingWork(int parts) : IParallelWork
    {
        public int[] Counts { get; } = new int[parts];

        public void Execute(int part) => Interlocked.Increment(ref Counts[part]);
    }

    private sealed class FailingWork : IParallelWork
    {
        public void Execute(int part)
        {
            if (part == 2) throw new InvalidOperationException("part 2");
        }
    }
}
