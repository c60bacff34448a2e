package dev.isthmus.tools.commands;

import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.tools.io.CommandException;
import dev.isthmus.tools.io.Console;
import dev.isthmus.tools.io.Json;
import dev.isthmus.tools.io.Progress;
import dev.isthmus.tools.model.ModelDirectory;
import dev.isthmus.tools.model.ModelFlags;
import dev.isthmus.tools.model.ModelLoader;
import dev.isthmus.tools.parity.Outcome;
import dev.isthmus.tools.parity.Parity;
import dev.isthmus.tools.parity.PublishedModel;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Mixin;

/** Checks a model against all published numbers. */
@Command(name = "parity", mixinStandardHelpOptions = true, sortOptions = false,
        description = "Runs every published check of GPT-2's numbers that applies to the model: logits, states between"
                + " the layers, log-probabilities, losses, continuations, tokens and SHA-256 sums.",
        footerHeading = "%n",
        footer = {"Exits with 1 if a check failed or none applies. --verbose lists also what passed and why the rest"
                + " does not apply.",
            "With --json: model, passed, failed, not_applicable and checks, each with id, kind, status and detail."})
final class ParityCommand implements Callable<Integer> {

    private final Console console;

    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private OutputFlags output;

    /** Makes one that reads and writes there. */
    ParityCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        Parity.Report report;
        ModelOptions options = modelFlags.options();
        try (ModelDirectory directory = new ModelLoader(console).locate(modelFlags);
                Progress progress = new Progress(console, "parity", "checks", 1)) {
            report = new Parity(directory.path(), options, progress::update).run();
        }
        if (output.json) {
            writeJson(report);
        } else {
            print(report);
        }
        if (report.results().stream().anyMatch(result -> result.kind().equals("identity")
                && result.outcome().status() == Outcome.Status.FAILED)) {
            console.say("these are not the published files, bit by bit, so other numbers may well differ too");
        }
        if (report.model().isEmpty()) {
            throw new CommandException("no published check applies: numbers are published of the models gpt2,"
                    + " distilgpt2, gpt2-medium, gpt2-large and gpt2-xl, and this model has the shape of none of them");
        }
        return report.count(Outcome.Status.FAILED) == 0 ? ExitCode.OK : ExitCode.SOFTWARE;
    }

    private void print(Parity.Report report) {
        PrintWriter out = console.out();
        for (Parity.Result result : report.results()) {
            if (output.verbose || result.outcome().status() == Outcome.Status.FAILED) {
                out.printf(Locale.ROOT, "%-14s  %-12s  %s%n    %s%n", status(result), result.kind(), result.id(),
                        result.outcome().detail());
            }
        }
        Map<String, List<Parity.Result>> kinds = new TreeMap<>(report.results().stream()
                .collect(Collectors.groupingBy(Parity.Result::kind)));
        out.printf(Locale.ROOT, "%-14s %8s %8s %15s%n", report.model().map(PublishedModel::title).orElse("(no model)"),
                "passed", "failed", "not applicable");
        kinds.forEach((kind, results) -> row(kind, results));
        row("all", report.results());
        if (!output.verbose) {
            reasons(report).forEach((reason, count) -> console.say(count + " not applicable: " + reason));
        }
    }

    private void row(String name, List<Parity.Result> results) {
        Map<Outcome.Status, Long> counts = results.stream()
                .collect(Collectors.groupingBy(result -> result.outcome().status(), Collectors.counting()));
        console.out().printf(Locale.ROOT, "%-14s %8d %8d %15d%n", name,
                counts.getOrDefault(Outcome.Status.PASSED, 0L), counts.getOrDefault(Outcome.Status.FAILED, 0L),
                counts.getOrDefault(Outcome.Status.NOT_APPLICABLE, 0L));
    }

    private static Map<String, Long> reasons(Parity.Report report) {
        return report.results().stream()
                .filter(result -> result.outcome().status() == Outcome.Status.NOT_APPLICABLE)
                .collect(Collectors.groupingBy(result -> result.outcome().detail(), TreeMap::new,
                        Collectors.counting()));
    }

    private static String status(Parity.Result result) {
        return result.outcome().status().name().toLowerCase(Locale.ROOT).replace('_', ' ');
    }

    private void writeJson(Parity.Report report) {
        List<Parity.Result> results = new ArrayList<>(report.results());
        Json.object(console.out(), json -> {
            json.writeStringField("model", report.model().map(PublishedModel::title).orElse(null));
            for (Outcome.Status status : Outcome.Status.values()) {
                json.writeNumberField(status.name().toLowerCase(Locale.ROOT), report.count(status));
            }
            json.writeArrayFieldStart("checks");
            for (Parity.Result result : results) {
                json.writeStartObject();
                json.writeStringField("id", result.id());
                json.writeStringField("kind", result.kind());
                json.writeStringField("status", result.outcome().status().name().toLowerCase(Locale.ROOT));
                json.writeStringField("detail", result.outcome().detail());
                json.writeEndObject();
            }
            json.writeEndArray();
        });
    }
}
