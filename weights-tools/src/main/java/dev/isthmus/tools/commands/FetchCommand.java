package dev.isthmus.tools.commands;

import dev.isthmus.tools.hub.Fetch;
import dev.isthmus.tools.hub.HubName;
import dev.isthmus.tools.hub.HubSettings;
import dev.isthmus.tools.io.Console;
import dev.isthmus.tools.io.Json;
import dev.isthmus.tools.io.Progress;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Brings a model of the Hugging Face hub into the local cache. */
@Command(name = "fetch", mixinStandardHelpOptions = true, sortOptions = false,
        versionProvider = IsthmusCommand.Version.class,
        description = "Downloads a GPT-2 model from the Hugging Face hub into the Hugging Face cache, where --model"
                + " NAME and Python find it, and prints its directory. Goes on where an earlier call broke off.",
        footerHeading = "%n",
        footer = {"gpt2, gpt2-medium, gpt2-large, gpt2-xl and distilgpt2 are fetched at the revision whose hashes are"
                + " published, and checked against them. The variables HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_TOKEN,"
                + " HF_HUB_OFFLINE, HTTPS_PROXY and their like are read as Hugging Face's own tools read them.",
            "With --json: repository, revision (the commit), path and files."})
final class FetchCommand implements Callable<Integer> {

    private final Console console;

    @Parameters(paramLabel = "NAME", description = "gpt2, gpt2-medium, gpt2-large, gpt2-xl, distilgpt2, or any"
            + " owner/name[@revision] of the GPT-2 architecture.")
    private String name;

    @Option(names = "--revision", paramLabel = "REVISION",
            description = "The branch, tag or commit. Default: the published one of GPT-2's sizes, else main.")
    private String revision;

    @Mixin
    private OutputFlags output;

    FetchCommand(Console console) {
        this.console = console;
    }

    @Override
    public Integer call() {
        HubName asked = HubName.require(name);
        HubName wanted = revision == null ? asked : asked.at(revision);
        HubSettings settings = HubSettings.of(console.environment(), console.home());
        Fetch.Fetched fetched;
        try (Progress progress = Progress.ofBytes(console, "fetching")) {
            fetched = new Fetch(wanted, settings, progress::say, progress::update).run();
        }
        if (output.json) {
            Json.object(console.out(), json -> {
                json.writeStringField("repository", fetched.repository());
                json.writeStringField("revision", fetched.commit());
                json.writeStringField("path", fetched.directory().toString());
                Json.texts(json, "files", fetched.files());
            });
        } else {
            console.out().println(fetched.directory());
        }
        return 0;
    }
}
