package dev.isthmus.tools.commands;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;

/**
 * One line of a benchmark.
 *
 * @param workload its name
 * @param dtype how the weights were kept
 * @param batch the sequences computed together
 * @param threads the threads
 * @param rates tokens per second of each repetition, in ascending order
 * @param limit tokens per second that the machine allows; empty where it could not be measured
 */
record BenchResult(String workload, String dtype, int batch, int threads, double[] rates, OptionalDouble limit) {

    private static final String HEADING = "%-18s %-5s %5s %7s %10s %21s %10s %8s%n";

    BenchResult {
        rates = rates.clone();
        Arrays.sort(rates);
    }

    double median() {
        int middle = rates.length / 2;
        return rates.length % 2 == 1 ? rates[middle] : (rates[middle - 1] + rates[middle]) / 2;
    }

    static void print(PrintWriter out, List<BenchResult> results) {
        out.printf(Locale.ROOT, HEADING, "workload", "dtype", "batch", "threads", "tokens/s", "min .. max", "limit",
                "of limit");
        for (BenchResult r : results) {
            out.printf(Locale.ROOT, HEADING, r.title(), r.dtype, r.batch, r.threads, shown(r.median()),
                    shown(r.rates[0]) + " .. " + shown(r.rates[r.rates.length - 1]),
                    r.limit.isPresent() ? shown(r.limit.getAsDouble()) : "-",
                    r.limit.isPresent() ? String.format(Locale.ROOT, "%.2f", r.median() / r.limit.getAsDouble()) : "-");
        }
    }

    /** The workload as tables name it: "decode 64+128" is "decode 128 @ 64", 128 tokens after a prompt of 64. */
    private String title() {
        return workload.replaceFirst("^decode (\\d+)\\+(\\d+)$", "decode $2 @ $1");
    }

    private static String shown(double rate) {
        return String.format(Locale.ROOT, rate < 1000 ? "%.1f" : "%.0f", rate);
    }

    void write(JsonGenerator json) throws IOException {
        json.writeStartObject();
        json.writeStringField("workload", workload);
        json.writeStringField("dtype", dtype);
        json.writeNumberField("batch", batch);
        json.writeNumberField("threads", threads);
        json.writeObjectFieldStart("tokens_per_second");
        json.writeNumberField("median", rounded(median()));
        json.writeNumberField("min", rounded(rates[0]));
        json.writeNumberField("max", rounded(rates[rates.length - 1]));
        json.writeEndObject();
        if (limit.isPresent()) {
            json.writeNumberField("limit", rounded(limit.getAsDouble()));
        } else {
            json.writeNullField("limit");
        }
        json.writeEndObject();
    }

    private static double rounded(double rate) {
        return Math.round(rate * 100) / 100.0;
    }
}
