package dev.isthmus.tools.commands;

import dev.isthmus.engine.api.Model;
import dev.isthmus.engine.api.Score;
import dev.isthmus.tools.io.Console;
import dev.isthmus.tools.io.Json;
import dev.isthmus.tools.io.Progress;
import dev.isthmus.tools.model.ModelFlags;
import dev.isthmus.tools.model.ModelLoader;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Says how well a model predicts a text. */
@Command(name = "score", mixinStandardHelpOptions = true, sortOptions = false,
        versionProvider = IsthmusCommand.Version.class,
        description = "Says how well the model predicts a text: its mean negative log-probability (natural logarithm,"
                + " over all tokens but the first) and its perplexity.",
        footerHeading = "%n",
        footer = "With --json: tokens, nll, perplexity, guide_perplexity (as the script in Hugging Face's guide adds"
                + " windows up) and token_logprobs, one for each predicted token.")
final class ScoreCommand implements Callable<Integer> {

    private final Console console;

    @Spec
    private CommandSpec spec;

    @ArgGroup(multiplicity = "1")
    private TextOrIds.OrFile input;

    @Mixin
    private ModelFlags modelFlags;

    @Mixin
    private OutputFlags output;

    @Mixin
    private SpecialFlag special;

    @Option(names = "--stride", paramLabel = "N",
            description = "A text longer than the context is read in windows that move by N tokens."
                    + " Default: half of the context.")
    private Integer stride;

    ScoreCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        if (stride != null && stride < 1) {
            throw new ParameterException(spec.commandLine(), "--stride must be >= 1, found " + stride);
        }
        Score score;
        try (ModelLoader.Loaded loaded = new ModelLoader(console).open(modelFlags)) {
            Model model = loaded.model();
            int context = model.config().context();
            int step = stride != null ? stride : Math.max(1, context / 2);
            int[] ids = input.ids(console, model, special);
            if (ids.length > context) {
                console.say(String.format(Locale.ROOT, "%,d tokens, in windows of %,d that move by %,d", ids.length,
                        context, step));
            }
            try (Progress progress = new Progress(console, "scoring", "tokens", 1)) {
                score = model.score(ids, step, progress::update);
            }
        }
        if (output.json) {
            Json.object(console.out(), json -> {
                json.writeNumberField("tokens", score.tokens());
                json.writeNumberField("nll", score.nll());
                json.writeNumberField("perplexity", score.perplexity());
                json.writeNumberField("guide_perplexity", score.guidePerplexity());
                Json.numbers(json, "token_logprobs", score.tokenLogprobs());
            });
        } else {
            console.out().printf(Locale.ROOT, "tokens      %d%nnll         %.6f%nperplexity  %.6g%n", score.tokens(),
                    score.nll(), score.perplexity());
        }
        return 0;
    }
}
