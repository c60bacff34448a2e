import java.util.Arrays;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/** What the timed Java programs share; see timing.py, which is the same for Python. */
final class Timing {

    /** One repetition: reads a prompt of the given length, then decodes. */
    interface Peer {

        /** Returns the seconds that the prompt took or, where tokens are decoded, those that decoding took. */
        double run(int prompt, int decode) throws Exception;
    }

    interface Loader {
        Peer load(String model, int threads) throws Exception;
    }

    private static final long WARM_UP_NANOSECONDS = 1_000_000_000;

    private Timing() {}

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
        long begun = System.nanoTime();
        for (int i = 0; i < warmup || warmup > 0 && System.nanoTime() - begun < WARM_UP_NANOSECONDS; i++) {
            peer.run(prompt, newTokens);
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
