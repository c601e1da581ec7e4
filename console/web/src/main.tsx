import { createRoot } from "react-dom/client";
import { App } from "./app";
import { signInByLink } from "./auth";
import { showTheme } from "./theme";
import "./style.css";

showTheme();
signInByLink();
addEventListener("hashchange", signInByLink);
const root = document.getElementById("root");
if (root) createRoot(root).render(<App />);
