/** The one script of every page. What only some pages need is loaded when its element is there. */
import { bindChosen } from "./chosen";
import { bindConfirm } from "./confirm";
import { bindCopy } from "./copy";
import { bindFind } from "./find";
import { live } from "./live";
import { bindTeach } from "./teach";
import { relativeTimes } from "./times";
import { bindUploads } from "./upload";
import { tellWindowSize } from "./window-size";

relativeTimes();
bindChosen();
bindConfirm();
bindCopy();
bindFind();
bindTeach();
bindUploads();
tellWindowSize();
const path = document.body.dataset["live"];
if (path) live(path);

const terminal = document.querySelector<HTMLElement>("[data-terminal]");
if (terminal) void import("./terminal/terminal").then(({ bind }) => bind(terminal));
