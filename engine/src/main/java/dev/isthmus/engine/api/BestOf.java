package dev.isthmus.engine.api;

import dev.isthmus.engine.errors.CancelledException;
import dev.isthmus.engine.errors.OutOfMemoryException;
import dev.isthmus.engine.session.LoadedModel;
import dev.isthmus.engine.session.Sequence;
import dev.isthmus.engine.session.TextBranches;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;

/** Samples several continuations of a text together. Used by one thread, as the only caller of the text's session. */
final class BestOf {

    /** The most continuations at a time; each takes memory for its keys and values. */
    private static final int MAX_TOGETHER = 32;

    private final LoadedModel model;
    private final Sequence text;
    private final GenerationOptions options;
    private final BooleanSupplier cancelled;
    private final float[] logits;
    private final List<Completion> found = new ArrayList<>();

    /** A continuation so far. */
    private final class Candidate {

        private final Continuation continuation;
        private final List<Integer> ids = new ArrayList<>();
        private final StringBuilder shown = new StringBuilder();
        private double sum;
        /** Which row of logits is that after its text. */
        private int row;

        Candidate(int number) {
            continuation = new Continuation(model, text.tokens(),
                    options.toBuilder().seed(options.seed() + number).logprobs(0).build());
        }

        /** Takes one more token; false if the text has ended with it. */
        boolean next(float[] after) {
            Token token = continuation.next(after);
            ids.add(token.id());
            shown.append(token.text());
            sum += token.logprob().orElseThrow();
            return continuation.finishReason() == null;
        }

        Completion completion() {
            return new Completion(ids, shown.toString(), sum / ids.size(), continuation.finishReason());
        }
    }

    /**
     * A search that has not begun.
     *
     * @param logits those after the text
     */
    BestOf(LoadedModel model, Sequence text, float[] logits, GenerationOptions options, BooleanSupplier cancelled) {
        this.model = model;
        this.text = text;
        this.logits = logits;
        this.options = options;
        this.cancelled = cancelled;
    }

    /** Samples continuations with one seed after another. */
    List<Completion> sample(int candidates) {
        for (int from = 0; from < candidates; from += MAX_TOGETHER) {
            sample(from, Math.min(candidates, from + MAX_TOGETHER));
        }
        return found;
    }

    /** Samples those of a range together, or in two halves where there is no memory for all at a time. */
    private void sample(int from, int to) {
        List<Candidate> candidates = new ArrayList<>();
        try {
            for (int number = from; number < to; number++) {
                candidates.add(new Candidate(number));
            }
            finish(candidates);
        } catch (OutOfMemoryException tooMany) {
            if (to - from == 1) {
                throw tooMany;
            }
            int middle = (from + to) >>> 1;
            sample(from, middle);
            sample(middle, to);
            return;
        }
        candidates.forEach(each -> found.add(each.completion()));
    }

    private void finish(List<Candidate> candidates) {
        List<Candidate> running = candidates;
        float[][] rows = {logits};
        try (TextBranches branches = new TextBranches(model, text, Completions.probe(cancelled))) {
            while (true) {
                running = choose(running, rows);
                if (running.isEmpty()) {
                    return;
                }
                rows = branches.advance(running.stream().mapToInt(each -> each.row).toArray(),
                        running.stream().mapToInt(each -> each.ids.getLast()).toArray());
                for (int i = 0; i < running.size(); i++) {
                    running.get(i).row = i;
                }
            }
        }
    }

    /** Chooses a token for each; returns those that go on. */
    private List<Candidate> choose(List<Candidate> candidates, float[][] rows) {
        List<Candidate> running = new ArrayList<>();
        for (Candidate each : candidates) {
            if (cancelled.getAsBoolean()) {
                throw new CancelledException("searching the best of several continuations: cancelled by the caller");
            }
            if (each.next(rows[each.row])) {
                running.add(each);
            }
        }
        return running;
    }
}
