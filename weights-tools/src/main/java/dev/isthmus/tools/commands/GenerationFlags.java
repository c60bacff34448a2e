package dev.isthmus.tools.commands;

import dev.isthmus.engine.api.BeamOptions;
import dev.isthmus.engine.api.GenerationDefaults;
import dev.isthmus.engine.api.GenerationOptions;
import dev.isthmus.engine.api.Model;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.stream.Stream;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** How a text is continued. */
final class GenerationFlags {

    /** Seeds that a command picks itself are short enough to type again. */
    private static final int SEEDS = 1_000_000_000;

    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec;

    @ArgGroup(exclusive = false, validate = false, heading = "%nHow to choose each token:%n")
    private final Choice choice = new Choice();

    @ArgGroup(exclusive = false, validate = false, heading = "%nWhat to avoid and what to favour:%n")
    private final Rules rules = new Rules();

    @ArgGroup(exclusive = false, validate = false, heading = "%nWhere to end:%n")
    private final Ends ends = new Ends();

    @ArgGroup(exclusive = false, validate = false,
            heading = "%nWhole continuations, printed when all is done:%n")
    final Search search = new Search();

    static final class Choice {

        @Option(names = "--temperature", paramLabel = "T",
                description = "What logits are divided by before sampling; 0 takes the likeliest token each time."
                        + " Default: the model's generation_config.json, or 0.8.")
        private Double temperature;

        @Option(names = "--top-k", paramLabel = "K",
                description = "Sample among the K likeliest tokens only; 0 among all. Default: as the temperature's, or"
                        + " among all.")
        private Integer topK;

        @Option(names = "--top-p", paramLabel = "P",
                description = "Sample among the fewest tokens whose probabilities reach P. Default: among all.")
        private Double topP;

        @Option(names = "--min-p", paramLabel = "P",
                description = "Sample among tokens at least P times as likely as the likeliest. Default: among all.")
        private Double minP;

        @Option(names = "--typical-p", paramLabel = "P",
                description = "Sample among the tokens of the most expected surprise whose probabilities reach P."
                        + " Default: among all.")
        private Double typicalP;

        @Option(names = "--seed", paramLabel = "S",
                description = "The same seed gives the same text. Default: a random one, which is reported.")
        private Long seed;

        @Option(names = "--logprobs", paramLabel = "N",
                description = "With --json: add each token's log-probability and those of the N likeliest tokens.")
        private Integer logprobs;
    }

    static final class Rules {

        @Option(names = "--repetition-penalty", paramLabel = "R",
                description = "Above 1, tokens of the text and the prompt are less likely to come again. Default: 1.")
        private Double repetition;

        @Option(names = "--presence-penalty", paramLabel = "A", defaultValue = "0",
                description = "Taken from the logits of tokens generated before. Default: 0.")
        private double presence;

        @Option(names = "--frequency-penalty", paramLabel = "A", defaultValue = "0",
                description = "The same for each time that they were. Default: 0.")
        private double frequency;

        @Option(names = "--no-repeat-ngram", paramLabel = "N",
                description = "No sequence of N tokens comes twice. Default: any may.")
        private Integer noRepeatNgram;

        @Option(names = "--logit-bias", paramLabel = "ID=B", split = ",",
                description = "Add B to a token's logit; several with commas or by several flags.")
        private Map<Integer, Double> bias = Map.of();

        @Option(names = "--ban", paramLabel = "TEXT",
                description = "This text's tokens do not follow one another; a word inside a text begins with a"
                        + " space. May be given several times, as may --ban-ids.")
        private List<String> ban = List.of();

        @Option(names = "--ban-ids", paramLabel = "1,2,3", converter = IdList.Converter.class,
                description = "The same for token ids.")
        private List<IdList> banIds = List.of();

        @Option(names = "--force-first", paramLabel = "ID", description = "The token to begin with.")
        private Integer forceFirst;

        @Option(names = "--force-last", paramLabel = "ID",
                description = "The token to generate when the most tokens are reached.")
        private Integer forceLast;
    }

    static final class Ends {

        @Option(names = {"-n", "--max-tokens"}, paramLabel = "N",
                description = "The most tokens to generate. Default: the model's generation_config.json, or 64.")
        private Integer maxTokens;

        @Option(names = "--stop", paramLabel = "TEXT",
                description = "End before this text; may be given several times.")
        private List<String> stop = List.of();

        @Option(names = "--ignore-end-of-text", description = "Go on behind the model's end-of-text token.")
        private boolean ignoreEndOfText;
    }

    /** Searches for whole continuations. */
    static final class Search {

        @Option(names = "--beams", paramLabel = "B", description = "Search with B beams instead of sampling. Default:"
                + " as the model's generation_config.json asks, if no flag asks for sampling.")
        private Integer beams;

        @Option(names = "--length-penalty", paramLabel = "L",
                description = "With --beams: above 0 favours long texts, below 0 short ones. Default: 1.")
        private Double lengthPenalty;

        @Option(names = "--early-stopping", paramLabel = "yes|no|never",
                description = "With --beams: end when B texts have ended, when no better one is likely, or when none is"
                        + " possible. Default: no.")
        private BeamOptions.EarlyStopping earlyStopping;

        @Option(names = "--best-of", paramLabel = "N",
                description = "Sample N texts and take those with the likeliest tokens on average.")
        private Integer bestOf;

        @Option(names = "--return", paramLabel = "R", defaultValue = "1",
                description = "With --beams or --best-of: how many of them to print. Default: ${DEFAULT-VALUE}.")
        private int returned;

        /** Whether whole continuations are searched for. */
        boolean wanted() {
            return beams != null || bestOf != null;
        }

        /** How to search by beams where a flag asks for it; the model's defaults say the rest. */
        Optional<BeamOptions> beams(GenerationDefaults defaults) {
            return Optional.ofNullable(beams).map(count -> given(defaults.beams(count)));
        }

        private BeamOptions given(BeamOptions usual) {
            return new BeamOptions(usual.beams(), lengthPenalty == null ? usual.lengthPenalty() : lengthPenalty,
                    earlyStopping == null ? usual.earlyStopping() : earlyStopping);
        }

        int bestOf() {
            return bestOf;
        }

        int returned() {
            return returned;
        }
    }

    /** Refuses flags that contradict one another. */
    void check(boolean json) {
        refuse(choice.logprobs != null && (!json || search.wanted()),
                "--logprobs goes with --json, and not with --beams or --best-of");
        refuse(search.beams != null && search.bestOf != null, "--beams and --best-of exclude one another");
        refuse(search.beams != null && !ends.stop.isEmpty(), "--stop does not go with --beams");
        int found = search.beams != null ? search.beams : search.bestOf != null ? search.bestOf : 1;
        refuse(search.returned < 1 || search.returned > found, "--return must be in 1.." + found + ", the number of "
                + "continuations searched for; found " + search.returned);
    }

    private void refuse(boolean contradiction, String message) {
        if (contradiction) {
            throw new ParameterException(spec.commandLine(), message);
        }
    }

    /** The beam search that the model's defaults ask for; empty where flags ask for a search or for sampling. */
    Optional<BeamOptions> usualBeams(GenerationDefaults defaults) {
        boolean samples = Stream.of(choice.temperature, choice.topK, choice.topP, choice.minP, choice.typicalP,
                choice.seed, choice.logprobs).anyMatch(Objects::nonNull);
        return samples || search.wanted() || !ends.stop.isEmpty() ? Optional.empty()
                : defaults.beams().map(search::given);
    }

    /** Whether draws matter, and so the seed. */
    boolean draws(GenerationOptions options, GenerationDefaults defaults) {
        return options.temperature() > 0 && search.beams == null && usualBeams(defaults).isEmpty();
    }

    /** The seed given, or one picked where draws matter. */
    private long seed(boolean draws) {
        return choice.seed != null ? choice.seed : draws ? new SplittableRandom().nextInt(SEEDS) : 0;
    }

    /** The options: flags, and the model's defaults where there is none. */
    GenerationOptions options(GenerationDefaults defaults, int promptTokens, Model model) {
        GenerationOptions usual = ends.maxTokens == null ? defaults.options(promptTokens)
                : defaults.options(promptTokens, ends.maxTokens);
        GenerationOptions.Builder builder = usual.toBuilder();
        set(choice.temperature, builder::temperature);
        set(choice.topK, builder::topK);
        set(choice.topP, builder::topP);
        set(choice.minP, builder::minP);
        set(choice.typicalP, builder::typicalP);
        set(choice.logprobs, builder::logprobs);
        set(rules.repetition, builder::repetitionPenalty);
        set(rules.noRepeatNgram, builder::noRepeatNgram);
        set(rules.forceFirst, builder::forcedFirst);
        set(rules.forceLast, builder::forcedLast);
        builder.presencePenalty(rules.presence).frequencyPenalty(rules.frequency).logitBias(rules.bias)
                .stopAtEndOfText(!ends.ignoreEndOfText);
        if (!ends.stop.isEmpty() || search.beams != null) {
            builder.stop(ends.stop.toArray(String[]::new));
        }
        if (search.bestOf != null && choice.temperature == null && usual.temperature() == 0) {
            builder.temperature(GenerationOptions.DEFAULT.temperature());
        }
        List<List<Integer>> banned = banned(model);
        if (!banned.isEmpty()) {
            builder.banned(banned);
        }
        GenerationOptions options = builder.build();
        return options.toBuilder().seed(seed(draws(options, defaults))).build();
    }

    private static <T> void set(T value, Consumer<T> option) {
        if (value != null) {
            option.accept(value);
        }
    }

    /** The sequences that may not appear; texts need a tokenizer. */
    private List<List<Integer>> banned(Model model) {
        List<int[]> sequences = new ArrayList<>();
        for (String text : rules.ban) {
            sequences.add(Texts.tokenizer(model, "give --ban-ids in place of --ban").encode(text));
        }
        rules.banIds.forEach(ids -> sequences.add(ids.ids()));
        return sequences.stream().map(ids -> Arrays.stream(ids).boxed().toList()).toList();
    }
}
