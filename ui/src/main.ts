import { mount } from 'svelte';
import App from './App.svelte';
import './fonts.css';
import './app.css';

const target = document.getElementById('app');
if (!target) throw new Error('index.html has no #app');

// A file or link dropped on the window must not replace the page.
for (const type of ['dragover', 'drop']) window.addEventListener(type, (event) => event.preventDefault());

mount(App, { target });
