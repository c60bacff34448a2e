import java.lang.management.CompilationMXBean;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** What the timed Java programs share; see timing.py, which is the same for Python, but for a compiler to wait for. */
final class Timing {

    /** One repetition: reads a prompt of the given length, then decodes. */
    interface Peer {

        /** Returns the seconds that the prompt took or, where tokens are decoded, those that decoding took. */
        double run(int prompt, int decode) throws Exception;
    }

    interface Loader {
        Peer load(String model, int threads) throws Exception;
    }

    private static final long WARM_UP_NANOSECONDS = 1_000_000_000L;
    private static final long COMPILER_RESTS_NANOSECONDS = 500_000_000L;
    private static final long LONGEST_WARM_UP_NANOSECONDS = 10_000_000_000L;

    private Timing() {}

    /** At least so many runs, until some time has passed and the compiler has come to rest, as isthmus bench does. */
    private static void warmUp(Peer peer, int prompt, int newTokens, int runs) throws Exception {
        CompilationMXBean compiler = ManagementFactory.getCompilationMXBean();
        long begun = System.nanoTime();
        long compiled = begun;
        long before = -1;
        long now = begun;
        for (int i = 0; i < runs || now - begun < WARM_UP_NANOSECONDS
                || now - compiled < COMPILER_RESTS_NANOSECONDS && now - begun < LONGEST_WARM_UP_NANOSECONDS; i++) {
            peer.run(prompt, newTokens);
            now = System.nanoTime();
            long total = compiler.getTotalCompilationTime();
            compiled = total == before ? compiled : now;
            before = total;
        }
    }

    static void main(String[] args, Loader loader) throws Exception {
        Map<String, String> flags = new HashMap<>();
        for (int i = 1; i < args.length; i += 2) {
            flags.put(args[i], args[i + 1]);
        }
        String decode = flags.get("--decode");
        int prompt = Integer.parseInt(decode == null ? flags.get("--prefill") : decode.split("\\+")[0]);
        int newTokens = decode == null ? 0 : Integer.parseInt(decode.split("\\+")[1]);
        int repeat = Integer.parseInt(flags.get("--repeat"));
        int warmup = Integer.parseInt(flags.getOrDefault("--warmup", "3"));
        Peer peer = loader.load(args[0], Integer.parseInt(flags.get("--threads")));
        double[] speeds = new double[repeat];
        if (warmup > 0) {
            warmUp(peer, prompt, newTokens, warmup);
        }
        for (int i = 0; i < repeat; i++) {
            speeds[i] = (decode == null ? prompt : newTokens) / peer.run(prompt, newTokens);
        }
        Arrays.sort(speeds);
        double median = (speeds[repeat / 2] + speeds[(repeat - 1) / 2]) / 2;
        System.out.printf(
                Locale.ROOT,
                "[{\"workload\": \"%s\", \"dtype\": \"%s\", \"batch\": 1, \"threads\": %s,"
                        + " \"tokens_per_second\": {\"median\": %f, \"min\": %f, \"max\": %f}}]%n",
                decode == null ? "prefill " + prompt : "decode " + decode,
                flags.get("--dtype"),
                flags.get("--threads"),
                median,
                speeds[0],
                speeds[repeat - 1]);
        System.out.flush();
        Runtime.getRuntime().halt(0);
    }
}
