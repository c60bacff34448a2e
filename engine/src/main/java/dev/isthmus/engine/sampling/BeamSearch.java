package dev.isthmus.engine.sampling;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * Beam search as Hugging Face transformers' {@code _beam_search} does it without sampling, for one prompt: from the
 * running hypotheses' continuations, the best go on and those of the best that end are set aside, until none that runs
 * is likely to be better than those set aside. Scores are sums of log-probabilities behind the rules, added in double;
 * that of one that has ended is divided by the number of its tokens to the power of the length penalty.
 */
public final class BeamSearch {

    private final Settings settings;
    private final int[] prompt;
    private final Hypotheses model;
    private final LogProbabilities logProbabilities = new LogProbabilities();
    private final List<Finished> finished = new ArrayList<>();
    private List<Running> running = List.of(new Running(new int[0], 0));

    /**
     * What to search for.
     *
     * @param beams how many hypotheses go on, and how many are returned, ≥ 1
     * @param lengthPenalty above 0 favours long texts, below 0 short ones
     * @param stopWhenFull whether to stop when as many have ended as there are beams
     * @param optimistic whether a running hypothesis is measured by what it may become at full length
     * @param maxTokens the most tokens to generate, ≥ 1
     * @param endOfText the tokens that end a hypothesis
     * @param rules what changes the log-probabilities, in order
     */
    public record Settings(int beams, double lengthPenalty, boolean stopWhenFull, boolean optimistic, int maxTokens,
            Set<Integer> endOfText, List<LogitsRule> rules) {}

    /**
     * A hypothesis that has ended.
     *
     * @param tokens what was generated, the end-of-text token included
     * @param score the sum of its log-probabilities by the length penalty
     */
    public record Finished(int[] tokens, double score) {}

    /** One that goes on: its generated tokens and the sum of their log-probabilities. */
    private record Running(int[] tokens, double sum) {}

    private record Candidate(int parent, int token, double sum) {}

    private BeamSearch(int[] prompt, Settings settings, Hypotheses model) {
        this.prompt = prompt;
        this.settings = settings;
        this.model = model;
    }

    /**
     * Searches.
     *
     * @param prompt the tokens to continue
     * @param logits V values, of the token after the prompt
     * @param settings what to search for
     * @param model computes the others
     * @return those that ended best, the best first; fewer than beams only if the rules exclude all others
     */
    public static List<Finished> search(int[] prompt, float[] logits, Settings settings, Hypotheses model) {
        BeamSearch search = new BeamSearch(prompt, settings, model);
        Optional<float[][]> rows = Optional.of(new float[][] {logits});
        for (int length = 1; rows.isPresent(); length++) {
            rows = search.step(rows.get(), length);
        }
        return List.copyOf(search.finished);
    }

    /** Makes the hypotheses {@code length} tokens long; returns the logits after them, empty at the end. */
    private Optional<float[][]> step(float[][] logits, int length) {
        int keep = Math.max(2, 1 + settings.endOfText().size()) * settings.beams();
        List<Candidate> best = best(logits, keep);
        boolean full = finished.size() == settings.beams();
        List<Candidate> next = new ArrayList<>();
        for (int rank = 0; rank < best.size(); rank++) {
            Candidate candidate = best.get(rank);
            if (!settings.endOfText().contains(candidate.token) && length < settings.maxTokens()) {
                if (next.size() < settings.beams()) {
                    next.add(candidate);
                }
            } else if (rank < settings.beams() && !(full && settings.stopWhenFull())) {
                finished.add(new Finished(tokens(candidate),
                        candidate.sum / StrictMath.pow(length, settings.lengthPenalty())));
            }
        }
        finished.sort(Comparator.comparingDouble(Finished::score).reversed());
        if (finished.size() > settings.beams()) {
            finished.subList(settings.beams(), finished.size()).clear();
        }
        if (next.isEmpty() || !mayImprove(next.getFirst().sum, length)) {
            return Optional.empty();
        }
        running = next.stream().map(each -> new Running(tokens(each), each.sum)).toList();
        return Optional.of(model.advance(next.stream().mapToInt(Candidate::parent).toArray(),
                next.stream().mapToInt(Candidate::token).toArray()));
    }

    private boolean mayImprove(double bestRunning, int length) {
        if (finished.size() < settings.beams()) {
            return true;
        }
        boolean atFullLength = settings.optimistic() && settings.lengthPenalty() > 0;
        double possible = bestRunning
                / StrictMath.pow(atFullLength ? settings.maxTokens() : length, settings.lengthPenalty());
        return !settings.stopWhenFull() && possible > finished.getLast().score;
    }

    /** The continuations with the largest sums, the largest first; of equal ones the earlier beam, the lower id. */
    private List<Candidate> best(float[][] logits, int keep) {
        List<Candidate> candidates = new ArrayList<>();
        for (int beam = 0; beam < running.size(); beam++) {
            float[] row = logProbabilities(logits[beam], running.get(beam));
            for (int id : LogProbabilities.largest(row, Math.min(keep, row.length))) {
                if (row[id] > Float.NEGATIVE_INFINITY) {
                    candidates.add(new Candidate(beam, id, running.get(beam).sum + row[id]));
                }
            }
        }
        candidates.sort(Comparator.comparingDouble(Candidate::sum).reversed());
        return candidates.subList(0, Math.min(keep, candidates.size()));
    }

    private float[] logProbabilities(float[] logits, Running hypothesis) {
        double logSumExp = logProbabilities.logSumExp(logits);
        float[] row = new float[logits.length];
        for (int id = 0; id < row.length; id++) {
            row[id] = (float) (logits[id] - logSumExp);
        }
        int[] text = Arrays.copyOf(prompt, prompt.length + hypothesis.tokens.length);
        System.arraycopy(hypothesis.tokens, 0, text, prompt.length, hypothesis.tokens.length);
        TokenHistory history = new TokenHistory(text, text.length, prompt.length);
        for (LogitsRule rule : settings.rules()) {
            rule.apply(history, row);
        }
        return row;
    }

    private int[] tokens(Candidate candidate) {
        int[] before = running.get(candidate.parent).tokens;
        int[] tokens = Arrays.copyOf(before, before.length + 1);
        tokens[before.length] = candidate.token;
        return tokens;
    }
}
