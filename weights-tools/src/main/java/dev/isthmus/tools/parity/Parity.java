package dev.isthmus.tools.parity;

import dev.isthmus.engine.api.ModelOptions;
import dev.isthmus.engine.errors.EngineException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;

/** Runs every published check that applies to a model. */
public final class Parity {

    private final Path directory;
    private final ModelOptions options;
    private final BiConsumer<Integer, Integer> progress;

    /**
     * Makes one.
     *
     * @param directory the model
     * @param options how to open it
     * @param progress told (checks done, checks in all)
     */
    public Parity(Path directory, ModelOptions options, BiConsumer<Integer, Integer> progress) {
        this.directory = directory;
        this.options = options;
        this.progress = progress;
    }

    /**
     * The end of one published check.
     *
     * @param id its name
     * @param kind its kind
     * @param outcome how it ended
     */
    public record Result(String id, String kind, Outcome outcome) {}

    /**
     * The ends of all checks.
     *
     * @param model which published model it is by its shape; empty if none
     * @param results one for each published check, in the order of publication
     */
    public record Report(Optional<PublishedModel> model, List<Result> results) {

        /** How many checks ended so. */
        public long count(Outcome.Status status) {
            return results.stream().filter(result -> result.outcome().status() == status).count();
        }
    }

    /** A check that waits for its model, and the place of its result. */
    private record Waiting(int place, String id, String kind, Check check) {}

    /** Runs them. The model is open only as long as this takes. */
    public Report run() {
        List<Result> results = new ArrayList<>();
        List<Waiting> plain = new ArrayList<>();
        List<Waiting> gelu = new ArrayList<>();
        Optional<PublishedModel> model;
        try (Subject subject = Subject.open(directory, options)) {
            model = PublishedModel.of(subject.model().config());
            for (PublishedEntry entry : PublishedNumbers.entries()) {
                Plan plan = Plan.of(entry);
                Optional<String> reason = plan instanceof Plan.Skip skip ? Optional.of(skip.reason())
                        : whyNot(entry, model);
                results.add(new Result(entry.id(), entry.kind(), Outcome.notApplicable(reason.orElse(""))));
                if (reason.isEmpty() && plan instanceof Plan.Run run) {
                    plain.add(new Waiting(results.size() - 1, entry.id(), entry.kind(), run.check()));
                } else if (reason.isEmpty() && plan instanceof Plan.RunWithGelu run) {
                    gelu.add(new Waiting(results.size() - 1, entry.id(), entry.kind(), run.check()));
                }
            }
            if (!gelu.isEmpty()) {
                addWholeExamples(gelu, results);
            }
            run(subject, plain, 0, plain.size() + gelu.size(), results);
        }
        if (!gelu.isEmpty()) {
            try (GeluOverlay overlay = GeluOverlay.of(directory);
                    Subject subject = Subject.open(overlay.directory(), options)) {
                run(subject, gelu, plain.size(), plain.size() + gelu.size(), results);
            }
        }
        return new Report(model, List.copyOf(results));
    }

    /** Adds the examples of transformer-explainer with all their numbers, of which the entries have a summary. */
    private static void addWholeExamples(List<Waiting> waiting, List<Result> results) {
        for (Tree example : PublishedNumbers.explainerExamples()) {
            String id = "explainer-whole: " + example.get("prompt").text();
            waiting.add(new Waiting(results.size(), id, "logits", ExplainerChecks.whole(example)));
            results.add(new Result(id, "logits", Outcome.notApplicable("")));
        }
    }

    /** Why an entry does not apply to a model; empty if it does. All sizes of GPT-2 have the same tokenizer. */
    static Optional<String> whyNot(PublishedEntry entry, Optional<PublishedModel> model) {
        if (model.isEmpty()) {
            return Optional.of("it is about " + entry.model() + ", and this model has another shape");
        }
        boolean applies = switch (entry.kind()) {
            case "tokenizer", "pretokenizer" -> true;
            default -> entry.model().equals(model.get().title()) || entry.model().equals("several");
        };
        return applies ? Optional.empty()
                : Optional.of("it is about " + entry.model() + ", and this is " + model.get().title());
    }

    private void run(Subject subject, List<Waiting> checks, int done, int total, List<Result> results) {
        for (int i = 0; i < checks.size(); i++) {
            progress.accept(done + i, total);
            Waiting waiting = checks.get(i);
            results.set(waiting.place(), new Result(waiting.id(), waiting.kind(), outcome(subject, waiting.check())));
        }
    }

    /** A check that the engine refuses has failed; the others still run. */
    static Outcome outcome(Subject subject, Check check) {
        try {
            return check.run(subject);
        } catch (EngineException e) {
            return Outcome.failed(e.getMessage());
        }
    }
}
