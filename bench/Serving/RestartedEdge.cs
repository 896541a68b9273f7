namespace CoInference.Bench.Serving;

/// <summary>An edge with TLS and a token that is killed in the middle of a run and started again on the same port.</summary>
/// <param name="folder">The bundle or set that it serves.</param>
/// <param name="certificateFile">Its certificate and key.</param>
/// <param name="tokenFile">The token.</param>
internal sealed class RestartedEdge(string folder, string certificateFile, string tokenFile)
{
    private const int Reports = 10;

    private static readonly TimeSpan Away = TimeSpan.FromMilliseconds(700);

    /// <summary>Starts it.</summary>
    /// <param name="port">Port to listen on; 0 for any.</param>
    public EdgeProcess Start(int port = 0) => EdgeProcess.Start(folder, $"cert={certificateFile}", $"token={tokenFile}", $"port={port}");

    /// <summary>Waits for all requests, reports ten times, and kills and restarts the edge when half of them are done.</summary>
    /// <param name="all">Ends with the last request.</param>
    /// <param name="tally">Counts them.</param>
    /// <param name="requests">How many there are.</param>
    /// <param name="edge">The edge; replaced by the one that is started again.</param>
    /// <param name="report">Prints how it stands.</param>
    /// <param name="restarted">Called when the edge is back; may be null.</param>
    /// <returns>Whether the edge was restarted.</returns>
    public bool Watch(Task all, Tally tally, int requests, ref EdgeProcess edge, Action<EdgeProcess> report, Action? restarted = null)
    {
        bool isRestarted = false;
        int nextReport = requests / Reports;
        while (!all.Wait(20))
        {
            if (!isRestarted && tally.Done >= requests / 2)
            {
                int port = edge.Address.Port;
                edge.Kill();
                edge.Dispose();
                Thread.Sleep(Away);
                edge = Start(port);
                isRestarted = true;
                restarted?.Invoke();
                Console.WriteLine($"edge killed after {tally.Done} requests and restarted");
            }

            if (tally.Done < nextReport) continue;
            nextReport += requests / Reports;
            report(edge);
        }

        return isRestarted;
    }
}
