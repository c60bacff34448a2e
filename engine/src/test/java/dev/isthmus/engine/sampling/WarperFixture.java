package dev.isthmus.engine.sampling;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** What transformers keeps of some logits; make_sampling_fixture.py says how the file is written. */
record WarperFixture(String name, float[] logits, double temperature, int topK, double topP,
        Map<String, String[]> expected) {

    @Override
    public String toString() {
        return name + " at temperature " + temperature + ", top-k " + topK + ", top-p " + topP;
    }

    static List<WarperFixture> all() {
        Map<String, float[]> logits = new HashMap<>();
        List<WarperFixture> cases = new ArrayList<>();
        for (String line : lines()) {
            String[] words = line.split(" ");
            switch (words[0]) {
                case "logits" -> {
                    float[] values = new float[words.length - 2];
                    for (int i = 0; i < values.length; i++) {
                        values[i] = Float.parseFloat(words[i + 2].replace("inf", "Infinity"));
                    }
                    logits.put(words[1], values);
                }
                case "generated" -> logits.put(words[1],
                        generated(Integer.parseInt(words[2]), Long.parseLong(words[3])));
                case "case" -> cases.add(new WarperFixture(words[1], logits.get(words[1]), Double.parseDouble(words[2]),
                        Integer.parseInt(words[3]), Double.parseDouble(words[4]), new HashMap<>()));
                default -> cases.getLast().expected.put(words[0], words);
            }
        }
        return cases;
    }

    private static List<String> lines() {
        try {
            return Files.readAllLines(Path.of(WarperFixture.class.getResource("/sampling/warpers.txt").toURI()));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }

    /** The script's {@code generated_logits}. */
    static float[] generated(int size, long seed) {
        SplitMix64 random = new SplitMix64(seed);
        float[] logits = new float[size];
        for (int i = 0; i < size; i++) {
            double sum = random.nextDouble();
            sum += random.nextDouble();
            sum += random.nextDouble();
            sum += random.nextDouble();
            logits[i] = (float) (sum * 12.0 - 60.0);
        }
        return logits;
    }

    boolean has(String kind) {
        return expected.containsKey(kind);
    }

    int[] ints(String kind, int from) {
        return Stream.of(expected.get(kind)).skip(from).mapToInt(Integer::parseInt).toArray();
    }

    double[] doubles(String kind, int from) {
        return Stream.of(expected.get(kind)).skip(from).mapToDouble(Double::parseDouble).toArray();
    }

    long seed() {
        return Long.parseLong(expected.get("draws")[1]);
    }
}
