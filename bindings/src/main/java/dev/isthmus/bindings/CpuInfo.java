package dev.isthmus.bindings;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * What the operating system says of the processor, as far as it says anything; for reports, not for decisions.
 *
 * @param processors the processors that this JVM may use, a container's limit taken into account
 * @param model      the model's name, or {@code unknown}
 * @param features   the instruction sets by the kernel's names ({@code avx2}, {@code asimd}, …); empty where unknown
 */
public record CpuInfo(int processors, String model, List<String> features) {
    private static final Path LINUX_SOURCE = Path.of("/proc/cpuinfo");
    private static final String UNKNOWN = "unknown";

    public CpuInfo {
        features = List.copyOf(features);
    }

    /** This machine's processor. */
    public static CpuInfo current() {
        int processors = Runtime.getRuntime().availableProcessors();
        if (Files.isReadable(LINUX_SOURCE)) {
            try (BufferedReader lines = Files.newBufferedReader(LINUX_SOURCE)) {
                return parse(processors, lines);
            } catch (IOException unreadable) {
                return new CpuInfo(processors, UNKNOWN, List.of());
            }
        }
        // Windows sets the variable for every process; other systems have none.
        String identifier = System.getenv("PROCESSOR_IDENTIFIER");
        return new CpuInfo(processors, identifier == null ? UNKNOWN : identifier, List.of());
    }

    /** Reads the first processor's part of a file like /proc/cpuinfo: lines of "key : value" up to a blank one. */
    static CpuInfo parse(int processors, BufferedReader lines) throws IOException {
        String model = UNKNOWN;
        List<String> features = List.of();
        for (String line = lines.readLine(); line != null && !line.isBlank(); line = lines.readLine()) {
            int colon = line.indexOf(':');
            if (colon < 0) {
                continue;
            }
            String value = line.substring(colon + 1).strip();
            switch (line.substring(0, colon).strip()) {
                case "model name" -> model = value;
                case "flags", "Features" -> features = List.of(value.split(" "));
                default -> { }
            }
        }
        return new CpuInfo(processors, model, features);
    }
}
